"""The Space: a model's answers as pages for people and as endpoints for programs."""

try:
    import gradio  # noqa: F401
    import mcp  # noqa: F401
except ImportError as error:
    raise ImportError(
        "the Space needs gradio with MCP, which come with: pip install 'hf-cf[space]'"
    ) from error
