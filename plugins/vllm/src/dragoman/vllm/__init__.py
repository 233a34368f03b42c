"""dragoman's vLLM provider: `vllm/<model>`, at a server started with `vllm serve`."""

from dragoman.vllm.provider import VLLM

__all__ = ["VLLM"]
