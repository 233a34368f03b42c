"""Group chats and nested chats: a model for each agent, and the selection of speakers."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.autogen import DragomanModelClient, install, wire
from dragoman.core import filter_config

autogen = pytest.importorskip("autogen", reason="neither AutoGen 0.2 nor AG2 classic is installed")


def member(name: str, config_list: Any, **more: Any) -> Any:
    told = {"config_list": config_list, "cache_seed": None}
    return autogen.ConversableAgent(name, llm_config=told, human_input_mode="NEVER", description=f"Is {name}.", **more)


def manage(agents: Any, config_list: Any, method: str, rounds: int, **more: Any) -> Any:
    group = autogen.GroupChat(
        agents=agents, messages=[], max_round=rounds, speaker_selection_method=method,
        select_speaker_auto_verbose=False, **more,
    )  # fmt: skip
    return autogen.GroupChatManager(groupchat=group, llm_config={"config_list": config_list, "cache_seed": None})


def usage(agents: Any, is_classic: bool) -> Any:
    found = autogen.gather_usage_summary(agents)
    return found["usage_including_cached_inference"]


@pytest.mark.scenario(9, 12)
def test_round_robin_with_a_model_for_each_agent(start: Any, said: Any, is_classic: bool) -> None:
    claude, mistral = start("anthropic", said("I am Claude.")), start("mistralai", said("I am Mistral."))
    entries = [claude.entry(tags=["first"], price=[1, 1]), mistral.entry(tags=["second"], price=[2, 2])]
    config_list = wire(entries)
    one = member("one", filter_config(config_list, {"tags": ["first"]}))
    two = member("two", filter_config(config_list, {"model": ["mistralai/mistral-large-latest"]}))
    chat = one.initiate_chat(manage([one, two], config_list, "round_robin", 3), message="Hello")
    assert [(said["name"], said["content"]) for said in chat.chat_history] == [
        ("one", "Hello"),
        ("two", "I am Mistral."),
        ("one", "I am Claude."),
    ]
    assert {body["model"] for body in claude.bodies} == {"claude-sonnet-4-5"}
    assert {body["model"] for body in mistral.bodies} == {"mistral-large-latest"}
    spent = usage([one, two], is_classic)
    # 7 and 5 tokens each.
    assert spent["total_cost"] == pytest.approx((12 * 1 + 12 * 2) / 1000)
    assert spent["claude-sonnet-4-5"]["total_tokens"] == spent["mistral-large-latest"]["total_tokens"] == 12


@pytest.mark.scenario(10)
@pytest.mark.parametrize("name", ["anthropic", "mistralai"])
def test_automatic_selection_at_strict_providers(name: str, start: Any, said: Any, strict: Any) -> None:
    talker, selector = start(name, said("My turn.")), start(name, said("three"))
    talker.checked = selector.checked = strict
    talking, selecting = wire([talker.entry()]), wire([selector.entry()])
    agents = [member(one, talking) for one in ("one", "two", "three")]
    chat = agents[0].initiate_chat(manage(agents, selecting, "auto", 2), message="Who knows?")
    assert talker.refused == selector.refused == []
    assert [said["name"] for said in chat.chat_history] == ["one", "three"]


@pytest.mark.scenario(11)
@pytest.mark.parametrize("way", ["wired", "installed"])
def test_automatic_selection_with_a_custom_client(way: str, start: Any, said: Any) -> None:
    talker, selector = start("together", said("My turn.")), start("anthropic", said("three"))
    if way == "installed":
        install()
        config = [selector.entry(model_client_cls=DragomanModelClient.__name__)]
    else:
        config = wire([selector.entry()])
    agents = [member(one, wire([talker.entry()])) for one in ("one", "two", "three")]
    chat = agents[0].initiate_chat(manage(agents, config, "auto", 2), message="Who knows?")
    assert [said["name"] for said in chat.chat_history] == ["one", "three"]


@pytest.mark.scenario(38)
@pytest.mark.parametrize("name", ["anthropic", "vllm"])
def test_players_who_move_by_tools_in_a_nested_chat(name: str, start: Any, said: Any, call: Any) -> None:
    """As the documentation's chess: each player asks a board in a nested chat, and then says its move."""
    vendor = start(
        name,
        said(calls=(call("move", where="e4"),)), said("I played e4."),
        said(calls=(call("move", where="e5"),)), said("I played e5."),
        said("unused"),
    )  # fmt: skip
    config_list = wire([vendor.entry(hide_tools="if_any_run")])
    moves: list[str] = []

    def move(where: str) -> str:
        moves.append(where)
        return f"{where} is done"

    def has_moved(message: Any) -> bool:
        return not message.get("tool_calls") and message.get("role") != "tool" and "done" not in str(message["content"])

    board = autogen.ConversableAgent(
        "board",
        llm_config=False,
        human_input_mode="NEVER",
        is_termination_msg=lambda said: "played" in str(said["content"]),
    )
    players = [member(color, config_list) for color in ("white", "black")]
    board.register_for_execution(name="move")(move)
    for player in players:
        player.register_for_llm(name="move", description="Make a move.")(move)
        player.register_nested_chats(
            trigger=lambda sender, player=player: sender in players and sender is not player,
            chat_queue=[{"sender": board, "recipient": player, "summary_method": "last_msg", "max_turns": 3}],
        )
    white, black = players
    chat = black.initiate_chat(white, message="Your move.", max_turns=2)
    assert moves == ["e4", "e5"]
    assert "I played e4." in [said["content"] for said in chat.chat_history]
    assert "I played e5." in [said["content"] for said in chat.chat_history]
    offered = [[tool[0] for tool in heard.tools] for heard in vendor.told[:4]]
    after = ["move"] if name == "anthropic" else []
    assert offered == [["move"], after, ["move"], after]
    # Anthropic wants the tools of a history declared; they may not be called again.
    assert vendor.told[1].choice == ("none" if name == "anthropic" else "auto")
    assert vendor.refused == []
