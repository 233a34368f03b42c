"""What users and plugins import. Clients and errors are loaded on first use: they need the `openai` package."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dragoman.core.asks import AnswerWriter, Ask, CallOptions
    from dragoman.core.batches import Batches, batches_of
    from dragoman.core.capabilities import FEATURES, Capabilities, Capability
    from dragoman.core.capabilityfiles import capabilities_of, capability_file
    from dragoman.core.carry import pack, strip_peer_keys, unpack
    from dragoman.core.chunks import Chunks
    from dragoman.core.client import AsyncClient, Client
    from dragoman.core.codec import decode_json, encode_lenient
    from dragoman.core.compatible import HOSTED_ONLY, CompatibleProvider
    from dragoman.core.configfiles import ConfigFile, load_config, open_config, read_config
    from dragoman.core.configlists import (
        config_list_from_dotenv,
        config_list_from_json,
        config_list_from_models,
        filter_config,
    )
    from dragoman.core.configtables import ConfigDocument, ConfigTable
    from dragoman.core.direct import async_http_sender, http_sender
    from dragoman.core.dispatch import Dispatcher, make_dispatcher
    from dragoman.core.doors import async_http_client, http_client
    from dragoman.core.dotenv import load_dotenv
    from dragoman.core.errors import (
        ConfigError,
        DragomanError,
        InvalidRequest,
        MissingKey,
        PluginError,
        TapeError,
        UnknownProvider,
        UnsupportedParameter,
    )
    from dragoman.core.exchange import Exchange
    from dragoman.core.functions import async_function_sender, function_sender
    from dragoman.core.hookspecs import hookimpl
    from dragoman.core.jobs import BatchJob, BatchResult, BatchState
    from dragoman.core.leanclients import async_lean_client, lean_client
    from dragoman.core.mixin import plan_of
    from dragoman.core.modelclients import FunctionProvider, ModelClientProvider
    from dragoman.core.offline import refuse_offline
    from dragoman.core.policy import DragomanWarning, is_default, unsupported, warn_once
    from dragoman.core.pricing import price_of_usage
    from dragoman.core.provider import (
        AsyncReply,
        AsyncSender,
        Call,
        Event,
        Json,
        Ledger,
        OnUnsupported,
        Provider,
        Reply,
        Sender,
        StreamCutError,
        StreamDecoder,
        VendorError,
        Wire,
    )
    from dragoman.core.readable import diff_json, lay_out
    from dragoman.core.registration import register_hooks, stand_in
    from dragoman.core.retries import retry_pauses, retry_wait
    from dragoman.core.senders import (
        async_reply_of,
        async_sdk_sender,
        check_headers,
        reply_of,
        sdk_sender,
    )
    from dragoman.core.service import AsyncAnswer, AsyncService, failure, make_ask, read_ask
    from dragoman.core.tapes import Recorder, Replayer, show_wire
    from dragoman.core.toolchoice import allowed_tools, tool_name
    from dragoman.core.usage import count_in, counts_of

_HOME = {
    "asks": ("AnswerWriter", "Ask", "CallOptions"),
    "batches": ("Batches", "batches_of"),
    "capabilities": ("FEATURES", "Capabilities", "Capability"),
    "capabilityfiles": ("capabilities_of", "capability_file"),
    "carry": ("pack", "strip_peer_keys", "unpack"),
    "chunks": ("Chunks",),
    "client": ("AsyncClient", "Client"),
    "codec": ("decode_json", "encode_lenient"),
    "compatible": ("HOSTED_ONLY", "CompatibleProvider"),
    "configfiles": ("ConfigFile", "load_config", "open_config", "read_config"),
    "configlists": (
        "config_list_from_dotenv",
        "config_list_from_json",
        "config_list_from_models",
        "filter_config",
    ),
    "configtables": ("ConfigDocument", "ConfigTable"),
    "direct": ("async_http_sender", "http_sender"),
    "dispatch": ("Dispatcher", "make_dispatcher"),
    "dotenv": ("load_dotenv",),
    "doors": ("async_http_client", "http_client"),
    "errors": (
        "ConfigError",
        "DragomanError",
        "InvalidRequest",
        "MissingKey",
        "PluginError",
        "TapeError",
        "UnknownProvider",
        "UnsupportedParameter",
    ),
    "exchange": ("Exchange",),
    "functions": ("async_function_sender", "function_sender"),
    "hookspecs": ("hookimpl",),
    "jobs": ("BatchJob", "BatchResult", "BatchState"),
    "leanclients": ("async_lean_client", "lean_client"),
    "mixin": ("plan_of",),
    "modelclients": ("FunctionProvider", "ModelClientProvider"),
    "offline": ("refuse_offline",),
    "policy": ("DragomanWarning", "is_default", "unsupported", "warn_once"),
    "pricing": ("price_of_usage",),
    "provider": (
        "AsyncReply",
        "AsyncSender",
        "Call",
        "Event",
        "Json",
        "Ledger",
        "OnUnsupported",
        "Provider",
        "Reply",
        "Sender",
        "StreamCutError",
        "StreamDecoder",
        "VendorError",
        "Wire",
    ),
    "readable": ("diff_json", "lay_out"),
    "registration": ("register_hooks", "stand_in"),
    "retries": ("retry_pauses", "retry_wait"),
    "senders": ("async_reply_of", "async_sdk_sender", "check_headers", "reply_of", "sdk_sender"),
    "service": ("AsyncAnswer", "AsyncService", "failure", "make_ask", "read_ask"),
    "tapes": ("Recorder", "Replayer", "show_wire"),
    "toolchoice": ("allowed_tools", "tool_name"),
    "usage": ("count_in", "counts_of"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}

__all__ = [
    "FEATURES",
    "HOSTED_ONLY",
    "AnswerWriter",
    "Ask",
    "AsyncAnswer",
    "AsyncClient",
    "AsyncReply",
    "AsyncSender",
    "AsyncService",
    "BatchJob",
    "BatchResult",
    "BatchState",
    "Batches",
    "Call",
    "CallOptions",
    "Capabilities",
    "Capability",
    "Chunks",
    "Client",
    "CompatibleProvider",
    "ConfigDocument",
    "ConfigError",
    "ConfigFile",
    "ConfigTable",
    "Dispatcher",
    "DragomanError",
    "DragomanWarning",
    "Event",
    "Exchange",
    "FunctionProvider",
    "InvalidRequest",
    "Json",
    "Ledger",
    "MissingKey",
    "ModelClientProvider",
    "OnUnsupported",
    "PluginError",
    "Provider",
    "Recorder",
    "Replayer",
    "Reply",
    "Sender",
    "StreamCutError",
    "StreamDecoder",
    "TapeError",
    "UnknownProvider",
    "UnsupportedParameter",
    "VendorError",
    "Wire",
    "allowed_tools",
    "async_function_sender",
    "async_http_client",
    "async_http_sender",
    "async_lean_client",
    "async_reply_of",
    "async_sdk_sender",
    "batches_of",
    "capabilities_of",
    "capability_file",
    "check_headers",
    "config_list_from_dotenv",
    "config_list_from_json",
    "config_list_from_models",
    "count_in",
    "counts_of",
    "decode_json",
    "diff_json",
    "encode_lenient",
    "failure",
    "filter_config",
    "function_sender",
    "hookimpl",
    "http_client",
    "http_sender",
    "is_default",
    "lay_out",
    "lean_client",
    "load_config",
    "load_dotenv",
    "make_ask",
    "make_dispatcher",
    "open_config",
    "pack",
    "plan_of",
    "price_of_usage",
    "read_ask",
    "read_config",
    "refuse_offline",
    "register_hooks",
    "reply_of",
    "retry_pauses",
    "retry_wait",
    "sdk_sender",
    "show_wire",
    "stand_in",
    "strip_peer_keys",
    "tool_name",
    "unpack",
    "unsupported",
    "warn_once",
]


def __getattr__(name: str) -> Any:
    """Load a name from the module that has it (PEP 562), and keep it here."""
    if name not in _MODULE_OF:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, loaded or not."""
    return sorted(__all__)
