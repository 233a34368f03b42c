"""Record and replay: wire tapes between an exchange and the provider's sender.

A recorder puts its own sender around each provider's, a replayer puts its own in their place; nothing else
changes, so that every provider, every endpoint and every framework takes part.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from dragoman.core.errors import ConfigError
from dragoman.core.provider import first_env
from dragoman.core.tapes.recording import Recorder
from dragoman.core.tapes.replaying import Replayer
from dragoman.core.tapes.showing import show_wire

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    _T = TypeVar("_T", Recorder, Replayer)

__all__ = ["RECORD", "REPLAY", "SCRUB", "SINCE", "SPEED", "STRICT", "Recorder", "Replayer", "find_tapes", "show_wire"]

#: Environment variables: the folder to record into, or to replay from.
RECORD, REPLAY = "DRAGOMAN_RECORD", "DRAGOMAN_REPLAY"
#: Names to scrub besides; when the session began that several processes record.
SCRUB, SINCE = "DRAGOMAN_RECORD_SCRUB", "DRAGOMAN_RECORD_SINCE"
#: How fast to replay (1: as recorded), and whether to refuse what was recorded less often.
SPEED, STRICT = "DRAGOMAN_REPLAY_SPEED", "DRAGOMAN_REPLAY_STRICT"

#: One recorder and one replayer per folder and process: programs make many clients.
_recorders: dict[Path, Recorder] = {}
_replayers: dict[Path, Replayer] = {}
_lock = threading.Lock()


def find_tapes(
    replay: str | os.PathLike[str] | Replayer | None, record: str | os.PathLike[str] | Recorder | None
) -> Recorder | Replayer | None:
    """Return who records or replays a client's calls: what its arguments say, else what the environment says.

    Raises `ConfigError` if both are wanted, and `TapeError` for a folder that will not do.
    """
    if replay is not None:
        return _one_of(_replayer(replay), _recorder(record), "replay= and record=")
    folder = first_env((REPLAY,))
    found = _shared(_replayers, folder, _env_replayer) if folder else None
    if record is not None:
        # Where nothing is to be sent, nothing is recorded either.
        return _one_of(found, _recorder(record), f"{REPLAY} and record=")
    return _one_of(found, _recorder(first_env((RECORD,))), f"{REPLAY} and {RECORD}")


def _one_of(replayer: Replayer | None, recorder: Recorder | None, names: str) -> Recorder | Replayer | None:
    if replayer is not None and recorder is not None:
        message = f"{names} cannot both be set: what is replayed was recorded before"
        raise ConfigError(message)
    return replayer or recorder


def _replayer(wanted: str | os.PathLike[str] | Replayer | None) -> Replayer | None:
    return wanted if wanted is None or isinstance(wanted, Replayer) else Replayer(wanted)


def _recorder(wanted: str | os.PathLike[str] | Recorder | None) -> Recorder | None:
    if wanted is None or isinstance(wanted, Recorder):
        return wanted
    return _shared(_recorders, wanted, _env_recorder)


def _shared(made: dict[Path, _T], folder: str | os.PathLike[str], make: Callable[[Path], _T]) -> _T:
    place = Path(folder).resolve()
    with _lock:
        if place not in made:
            made[place] = make(place)
        return made[place]


def _env_recorder(folder: Path) -> Recorder:
    scrub = [name.strip() for name in os.environ.get(SCRUB, "").split(",")]
    return Recorder(folder, scrub=[name for name in scrub if name], since=first_env((SINCE,)))


def _env_replayer(folder: Path) -> Replayer:
    text = first_env((SPEED,))
    try:
        speed = float(text) if text else None
    except ValueError as exception:
        message = f"{SPEED} must be a number, such as 1 for the recorded speed"
        raise ConfigError(message) from exception
    return Replayer(folder, speed=speed, strict=os.environ.get(STRICT, "") not in {"", "0"})
