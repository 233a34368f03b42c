"""The page in a real browser, at a real gateway: what a user does, and what the browser and the vendor saw of it."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from vendor import KEY, MARKUP

from dragoman.server.keys import hash_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from browser import Chromium
    from vendor import Vendor

GATEWAY_KEY = "dragoman-" + "k" * 40
ANSWERED = "document.querySelector('#stop').hidden && document.querySelectorAll('.turn.assistant').length"
LAST = "[...document.querySelectorAll('.turn.assistant')].at(-1)"


def png(width: int, height: int) -> bytes:
    """A picture of one colour."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + b"\x2f\x5d\x62" * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b"")


def fill(browser: Chromium, name: str, value: str) -> None:
    """Set a field as a user does, who leaves it afterwards."""
    browser.run(f"""(() => {{
        const field = document.getElementById({json.dumps(name)});
        field.value = {json.dumps(value)};
        field.dispatchEvent(new Event("input", {{bubbles: true}}));
        field.dispatchEvent(new Event("change", {{bubbles: true}}));
    }})()""")


def pick(browser: Chromium, model: str) -> None:
    browser.wait(f"[...document.querySelectorAll('#model option')].some(({{value}}) => value === {json.dumps(model)})")
    fill(browser, "model", model)


def say(browser: Chromium, text: str) -> None:
    fill(browser, "prompt", text)
    browser.run("document.querySelector('#prompt').focus()")
    for kind in ("keyDown", "keyUp"):
        browser.command("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13)


def ask(browser: Chromium, text: str) -> str:
    """Send a message, wait for the whole answer, and return what is shown of it."""
    before = browser.run("document.querySelectorAll('.turn.assistant').length")
    say(browser, text)
    browser.wait(f"({ANSWERED}) > {before}")
    found: str = browser.run(f"{LAST}.innerText")
    return found


@pytest.fixture
def page(browser: Chromium, url: str) -> Iterator[Chromium]:
    """The page, at the vendor's model. In the end the browser had no complaints, and has asked nobody else."""
    browser.look(1440, 900)
    browser.open(f"{url}/")
    pick(browser, "claude")
    yield browser
    assert browser.problems() == []
    assert [asked for asked in browser.asked() if not asked.startswith((f"{url}/", "data:"))] == []


def test_a_chat_streams_and_shows_its_wire(page: Chromium, vendor: Vendor, kept: Path) -> None:
    fill(page, "system", "You are an interpreter.")
    fill(page, "temperature", "1.5")
    fill(page, "unsupported", "adapt")
    shown = ask(page, "Good morning! Who are you?")
    assert "A dragoman stands" in shown
    assert page.run(f"{LAST}.querySelector('pre code').textContent").startswith("def interpret(words: str)")
    assert page.run(f"{LAST}.querySelector('.thoughts .text').textContent") == "The court asks who I am."
    facts = page.run(f"{LAST}.querySelector('.facts').innerText")
    assert all(word in facts for word in ("finish_reason", "stop", "first token", "21 tokens", "42 tokens")), facts
    panel = page.run("document.querySelector('#exchange-view').innerText")
    assert "POST /v1/messages" in panel
    assert "temperature adapted: " in panel
    wire = json.loads(page.run("document.querySelector('.sent pre').textContent"))
    assert wire == vendor.seen[-1]
    assert wire["system"][0]["text"] == "You are an interpreter."
    assert wire["temperature"] == 1
    asked = json.loads(page.run("document.querySelector('.asked pre').textContent"))
    assert asked["messages"][0] == {"role": "system", "content": "You are an interpreter."}
    assert KEY not in page.run("document.documentElement.outerHTML")
    for name, dark in (("light", False), ("dark", True)):
        page.look(1440, 900, dark=dark)
        assert page.run("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]") == [1440, 900]
        assert page.screenshot(kept / f"gateway-{name}.png")[:4] == b"\x89PNG"


def test_what_a_model_says_is_never_read_as_html(page: Chromium) -> None:
    assert MARKUP in ask(page, "Say some markup.")
    assert page.run(f"{LAST}.querySelectorAll('b, img, script').length") == 0


def test_a_narrow_window_has_room_for_everything(page: Chromium, url: str, kept: Path) -> None:
    page.look(412, 915)
    page.open(f"{url}/?narrow")
    pick(page, "claude")
    assert page.run("[...document.querySelectorAll('main > aside > details')].some(({open}) => open)") is False
    ask(page, "Good morning!")
    page.screenshot(kept / "gateway-narrow.png")
    for name in ("settings", "wire"):
        page.run(f"document.getElementById('{name}').open = true")
        assert page.run("document.documentElement.scrollWidth") <= 412
        page.run(f"document.getElementById('{name}').scrollIntoView()")
        page.screenshot(kept / f"gateway-narrow-{name}.png")


def test_a_second_turn_has_the_first_one_and_retry_asks_again(page: Chromium, vendor: Vendor) -> None:
    ask(page, "Good morning!")
    ask(page, "And now?")
    first = vendor.seen[-1]["messages"]
    assert [message["role"] for message in first] == ["user", "assistant", "user"]
    # The thought goes back as the vendor has signed it.
    assert first[1]["content"][0] == {"type": "thinking", "thinking": "The court asks who I am.", "signature": "c2ln"}
    page.run("document.querySelector('#retry').click()")
    page.wait(f"({ANSWERED}) === 2 && document.querySelector('#exchange').value === '3'")
    assert vendor.seen[-1]["messages"] == first


def test_images_are_picked_pasted_and_dropped(page: Chromium, vendor: Vendor) -> None:
    content = base64.b64encode(png(40, 30)).decode()
    for event in ("paste", "drop"):
        page.run(f"""(() => {{
            const bytes = Uint8Array.from(atob("{content}"), (one) => one.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], "{event}.png", {{type: "image/png"}}));
            const told = "{event}" === "paste" ? {{clipboardData: transfer}} : {{dataTransfer: transfer}};
            const made = "{event}" === "paste" ? new ClipboardEvent("paste", told) : new DragEvent("drop", told);
            document.dispatchEvent(made);
        }})()""")
        page.wait(f"[...document.querySelectorAll('#images img')].some(({{alt}}) => alt === '{event}.png')")
    page.run("document.querySelector('#images .remove').click()")
    assert page.run("document.querySelectorAll('#images img').length") == 1
    assert "I see 1 image of" in ask(page, "What is this?")
    image, text = vendor.seen[-1]["messages"][-1]["content"]
    assert image["source"] == {"type": "base64", "media_type": "image/png", "data": content}
    assert text["text"] == "What is this?"
    assert page.run("document.querySelectorAll('#images img').length") == 0
    assert page.run("document.querySelector('.turn.user img').naturalWidth") == 40


def test_tools_are_called_here_and_answered_by_hand(page: Chromium, vendor: Vendor, kept: Path) -> None:
    page.run("document.querySelector('#demo-tools').click()")
    tool = {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
    fill(page, "own-tools", json.dumps(tool)[:-1])
    assert "not JSON" in page.run("document.querySelector('#tools-note').textContent")
    fill(page, "own-tools", json.dumps(tool, indent=1))
    assert page.run("document.querySelector('#tools-note').textContent") == ""
    say(page, "Use the tools!")
    page.wait("document.querySelector('.call.open textarea')")
    assert page.run("document.querySelectorAll('.call:not(.open)').length") == 2
    page.screenshot(kept / "gateway-tools.png")
    page.run("document.querySelector('.call.open textarea').value = '{\"degrees\": 21}'")
    page.run("document.querySelector('.call.open form').requestSubmit()")
    page.wait(f"({ANSWERED}) === 2")
    results = vendor.seen[-1]["messages"][-1]["content"]
    assert [result["tool_use_id"] for result in results] == ["toolu_0", "toolu_1", "toolu_2"]
    assert '{"result":40}' in json.dumps(results[0]).replace("\\", "")
    assert '{"degrees": 21}' in page.run(f"{LAST}.innerText")
    assert page.run("document.querySelector('.turn.assistant .facts').innerText").count("tool_calls") == 1


def test_calls_that_were_not_answered_are_no_part_of_the_history(page: Chromium, vendor: Vendor) -> None:
    fill(page, "own-tools", '{"name": "get_weather"}')
    say(page, "Use the tools!")
    page.wait("document.querySelector('.call.open textarea')")
    page.run("document.querySelector('#stop').click()")
    page.wait("document.querySelector('.remark')")
    ask(page, "Never mind.")
    told = json.dumps(vendor.seen[-1]["messages"])
    assert "Never mind." in told
    assert "tool_use" not in told


def test_stop_ends_the_providers_stream(page: Chromium, vendor: Vendor) -> None:
    say(page, "Talk for ever.")
    page.wait(f"{LAST}?.innerText.includes('I begin')")
    page.run("document.querySelector('#stop').click()")
    page.wait(ANSWERED)
    assert vendor.gone.wait(60)
    assert page.run("document.querySelector('.remark').innerText") == "Stopped."


def test_failures_say_what_to_do(page: Chromium) -> None:
    say(page, "Is there a limit?")
    page.wait("document.querySelector('.failure')")
    told = page.run("document.querySelector('.failure').innerText")
    assert "HTTP 429" in told
    assert "would exceed your rate limit" in told
    assert "Retry in 17 s." in told
    assert "Is there a limit?" in page.run("document.querySelector('.sent pre').textContent")
    fill(page, "model", "\0")
    fill(page, "model-name", "nobody/model")
    say(page, "Hello?")
    page.wait("document.querySelectorAll('.failure').length === 2")
    told = page.run("[...document.querySelectorAll('.failure')].at(-1).innerText")
    assert "HTTP 404 · model_not_found" in told
    assert "No provider was asked" in page.run("document.querySelector('#exchange-view').innerText")


def test_a_real_engine(page: Chromium) -> None:
    pick(page, "llamacpp/demo")
    page.run("document.querySelector('#demo-tools').click()")
    shown = ask(page, "Good morning!")
    assert "finish_reason" in shown
    assert "POST /chat/completions" in page.run("document.querySelector('#exchange-view').innerText")


def test_a_gateway_with_keys_wants_one(browser: Chromium, serve: Callable[..., str], kept: Path) -> None:
    key = f'[[server.keys]]\nname = "me"\nhash = "{hash_key(GATEWAY_KEY)}"\nmodels = ["claude"]'
    url = serve(key)
    browser.look(1440, 900)
    browser.open(f"{url}/")
    browser.wait("document.querySelector('#note').textContent.includes('API key')")
    assert browser.run("document.querySelector('#key-field').hidden") is False
    fill(browser, "key", GATEWAY_KEY)
    pick(browser, "claude")
    assert browser.run("document.querySelector('#note').textContent") == ""
    assert "A dragoman stands" in ask(browser, "Good morning!")
    assert "does not show it" in browser.run("document.querySelector('.sent').innerText")
    # Neither where other tabs find it nor where proxies write it down.
    assert browser.run("[localStorage.length, sessionStorage.getItem('dragoman-key')]") == [0, GATEWAY_KEY]
    assert [asked for asked in browser.asked() if GATEWAY_KEY in asked] == []
    fill(browser, "key", "wrong-" + "k" * 40)
    browser.wait("document.querySelector('#note').textContent.includes('API key')")
    assert browser.run("document.querySelector('#model').value") == "claude"
    say(browser, "Hello?")
    browser.wait("document.querySelector('.failure')")
    assert "Enter the gateway's key" in browser.run("document.querySelector('.failure').innerText")
    browser.screenshot(kept / "gateway-key.png")
    assert browser.problems() == []


def test_the_policy_stops_what_is_not_the_pages_own(browser: Chromium, url: str) -> None:
    """The count of complaints is not zero because nobody counts."""
    browser.open(f"{url}/")
    browser.run("""(() => {
        const script = document.createElement("script");
        script.textContent = "window.ran = true";
        document.head.append(script);
    })()""")
    assert browser.run("window.ran === undefined") is True
    browser.wait("true")
    assert any("Content Security Policy" in problem for problem in browser.problems())


def calculated(browser: Chromium, url: str, expression: str) -> Any:
    told = json.dumps(expression)
    return browser.run(f"""import("{url}/page/calculator.js").then(({{calculate}}) => {{
        try {{ return calculate({told}); }} catch (error) {{ return error.message; }}
    }})""")


def test_the_calculator_knows_arithmetic_and_nothing_else(browser: Chromium, url: str) -> None:
    browser.open(f"{url}/")
    right = {
        "1 + 2 * 3": 7,
        "(1 + 2) * 3": 9,
        "-2 ^ 2": -4,
        "2 ** 3 ^ 2": 512,
        "7 % 4 - 1e2": -97,
        "max(1, sqrt(16), .5)": 4,
        "8 / 4 / 2": 1,
        "2 - 3 - 4": -5,
    }
    assert {told: calculated(browser, url, told) for told in right} == right
    wrong = ["", "1 +", "(1", "alert(1)", "constructor", "1 2", "2 $ 3", "(" * 2000, "(" * 500, "__proto__"]
    assert [told for told in wrong if not isinstance(calculated(browser, url, told), str)] == []
