"""Turn the params of a node into the messages of a question; images become data."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Mapping
from typing import Any

from batchmill.errors import InvalidParams, NodeError
from batchmill.nodes.files import full_path, in_words, require_file
from batchmill.nodes.llm.question import Message
from batchmill.template import to_text

MAX_IMAGE_BYTES = 20 * 1024 * 1024
_KINDS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
)


def messages_of(params: Mapping[str, Any]) -> tuple[Message, ...]:
    """The system message, where there is one, the messages that are given, and the prompt with its images."""
    prompt = "" if params["prompt"] is None else to_text(params["prompt"])
    given = [_given(message, place) for place, message in enumerate(params["messages"] or [])]
    images = params["images"] or []
    images = [images] if isinstance(images, str) else images
    if not prompt.strip() and not images and not (given and params["prompt"] is None):
        raise InvalidParams("llm: `prompt` is empty" + ("" if given else ", and there are no `messages`"))
    content: Any = prompt
    if images:
        content = [{"type": "text", "text": prompt}, *map(_image, images)]
    system = [{"role": "system", "content": params["system"]}] if params["system"] else []
    asked = [{"role": "user", "content": content}] if prompt.strip() or images else []
    return (*system, *given, *asked)


def _given(message: Any, place: int) -> Message:
    """A message of the document: its content is text, parts as the interface has them, or a value as JSON."""
    fault = message_fault(message)
    if fault:
        raise InvalidParams(f"llm: messages[{place}] {fault}")
    content = message.get("content")
    parts = isinstance(content, list) and all(isinstance(one, dict) and "type" in one for one in content)
    return {**message, "content": content if content is None or parts else to_text(content)}


def message_fault(message: object) -> str | None:
    """The fault of a message, None without one."""
    if not isinstance(message, Mapping):
        return f"is an object with `role` and `content`, not {type(message).__name__}"
    if not isinstance(message.get("role"), str) or not message["role"]:
        return "has no `role`, such as system, user, assistant or tool"
    if "content" not in message and "tool_calls" not in message:
        return "has no `content`"
    return None


def _image(given: object) -> Message:
    if not isinstance(given, str) or not given:
        raise InvalidParams(f"llm: an image is a path, a URL or a data: URL, not a {type(given).__name__}")
    return {"type": "image_url", "image_url": {"url": given if is_url(given) else _as_data(given)}}


def is_url(given: str) -> bool:
    """Whether an image is no path."""
    return given.startswith(("http://", "https://", "data:"))


def _as_data(path: str) -> str:
    place = full_path(path, "images")
    with in_words("read the image", place):
        size = require_file(place).st_size
        if size > MAX_IMAGE_BYTES:
            message = f"the image {place!r} has {size:,} bytes; {MAX_IMAGE_BYTES:,} is the most that is sent"
            raise NodeError(message, retryable=False, type_name="ImageTooLarge")
        with open(place, "rb") as file:
            content = file.read()
    return f"data:{_kind(place, content)};base64,{base64.b64encode(content).decode('ascii')}"


def _kind(path: str, content: bytes) -> str:
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    found = next((kind for start, kind in _KINDS if content.startswith(start)), None)
    guessed = mimetypes.guess_type(path)[0] or ""
    if found is None and not guessed.startswith("image/"):
        raise InvalidParams(f"llm: {path!r} is not an image of a known kind (PNG, JPEG, GIF, WebP)")
    return found or guessed
