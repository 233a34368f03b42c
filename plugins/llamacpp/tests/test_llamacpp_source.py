"""What a model's name means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dragoman.llamacpp import demo_model_path
from dragoman.llamacpp.source import EngineError, Source, find_source

if TYPE_CHECKING:
    from pathlib import Path


def test_demo_is_the_rehearsal_model() -> None:
    assert find_source("demo") == Source(path=str(demo_model_path()))


def test_a_file_is_a_file_whatever_it_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "org").mkdir()
    (tmp_path / "org/model").write_bytes(b"GGUF...")
    monkeypatch.chdir(tmp_path)
    assert find_source("org/model") == Source(path="org/model")


def test_the_home_folder_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "m.gguf").write_bytes(b"GGUF...")
    assert find_source("~/m.gguf") == Source(path=str(tmp_path / "m.gguf"))


@pytest.mark.parametrize("name", ["ggml-org/gemma-3-1b-it-GGUF", "ggml-org/gemma-3-1b-it-GGUF:Q4_K_M"])
def test_a_repository_is_left_to_the_engine(name: str) -> None:
    assert find_source(name) == Source(repository=name)


@pytest.mark.parametrize("name", ["/no/such", "no/such.gguf", "./such", "~/such", "..\\such", "C:\\such", "such.GGUF"])
def test_a_path_that_is_not_there_never_becomes_a_download(name: str) -> None:
    with pytest.raises(EngineError, match="no model file") as caught:
        find_source(name)
    assert (caught.value.status, caught.value.error["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("name", ["gpt-4o", "a/b/c", ""])
def test_a_name_that_means_nothing_says_what_would(name: str) -> None:
    with pytest.raises(EngineError, match="Hugging Face repository") as caught:
        find_source(name)
    assert caught.value.status == 404


def test_offline_nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_OFFLINE", "1")
    with pytest.raises(EngineError, match="DRAGOMAN_OFFLINE is set") as caught:
        find_source("org/repo")
    assert caught.value.status == 404
    assert find_source("demo").path


def test_a_file_of_another_format_is_refused(tmp_path: Path, desk: Any) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(b"PK\x03\x04")
    status, error = desk.fail(model=str(file))
    assert (status, error["code"]) == (400, "model_not_found")
    assert "not a GGUF file" in error["message"]
