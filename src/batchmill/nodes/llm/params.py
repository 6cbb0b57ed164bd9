"""The params and outputs of the ``llm`` node."""

from __future__ import annotations

from batchmill.nodes.access.params import ACCESS_PARAMS
from batchmill.nodes.contract import Output, Param
from batchmill.nodes.llm.question import JSON_SCHEMA, MODES

TIMEOUT = 300.0
MAX_RESPONSE_BYTES = 64 * 1024 * 1024
KEY_VARIABLE = "OPENAI_API_KEY"

PARAMS = (
    Param("prompt", "any", "what is asked; objects and lists as JSON"),
    Param("system", "string", "the system message"),
    Param(
        "messages",
        "array",
        "messages before the prompt, or in its place: objects with `role` and `content`, as the "
        "interface has them",
    ),
    Param("model", "string", "the name of the model, as the server knows it"),
    Param(
        "models",
        "array",
        "models that are asked one after another until one answers: names, or objects with `model` and what "
        "is different for it (`base_url`, `api_key_env`, `temperature`, `max_tokens`, `timeout`, `mode`, "
        "`api`, `options`)",
    ),
    Param(
        "fall_back_on",
        "array",
        "after which failures the next of `models` is asked: `refused`, `denied`, `timeout`, `failed`, "
        "`too_long`, `unusable`, types of errors such as `HTTP500`; after those that have a word without it",
    ),
    Param("temperature", "number", "how freely it answers", minimum=0),
    Param("max_tokens", "integer", "tokens after which the answer is cut off", minimum=1),
    Param("images", "array|string", "paths, URLs or data: URLs of images that go with the prompt"),
    Param("output_schema", "object", "JSON Schema that the answer must meet; it is parsed then"),
    Param(
        "mode",
        "string",
        "how the server is told of `output_schema`: as it is, or in words, with or without being told that "
        "JSON is wanted",
        default=JSON_SCHEMA,
        choices=MODES,
    ),
    Param(
        "repairs",
        "integer",
        "how often an answer that does not meet `output_schema` is sent back with what is wrong",
        default=1,
        minimum=0,
    ),
    Param("tools", "array", "tools that the model may call, as the interface has them"),
    Param("tool_choice", "string|object", "which tool it must call, or `auto`, `none`, `required`"),
    Param("n", "integer", "how many answers to ask for at once; all are in `choices`", minimum=1),
    Param("logprobs", "boolean", "ask for the probabilities of tokens"),
    Param("top_logprobs", "integer", "how many likely tokens to return at each position", minimum=0),
    Param("raw", "boolean", "have the whole answer of the server in `raw`", default=False),
    Param(
        "stream",
        "boolean",
        "have the answer come part by part, each an event `AnswerPart`; the outputs are the same",
        default=False,
        content=False,
    ),
    Param(
        "timeout",
        "number",
        "seconds for the answer, further tries of its shape included",
        default=TIMEOUT,
        minimum=0.001,
        content=False,
    ),
    Param(
        "provider",
        "string",
        "openai: a server. echo: says the prompt back. replay: answers out of `replay_file`",
        default="openai",
        choices=("openai", "echo", "replay"),
    ),
    Param(
        "base_url",
        "string",
        "where the server is; OpenAI's own without it",
        templates="url",
        content=False,
    ),
    Param(
        "api",
        "string",
        "the interface of the server that is used: `/chat/completions` or `/responses`",
        default="chat",
        choices=("chat", "responses"),
    ),
    Param(
        "batch_api",
        "boolean|object",
        "have requests answered through the batch API of the server, in files, within a day and at half the "
        "price; an object may have `completion_window`, `max_requests`, `max_bytes` and `price`",
        default=False,
        content=False,
    ),
    Param("api_key", "string", "the key for the server", content=False),
    Param(
        "api_key_env",
        "string",
        f"the variable of the environment that holds the key; without `base_url` {KEY_VARIABLE}",
        content=False,
    ),
    *ACCESS_PARAMS,
    Param(
        "max_response_bytes",
        "integer",
        "a larger answer is refused",
        default=MAX_RESPONSE_BYTES,
        minimum=0,
        content=False,
    ),
    Param(
        "item_budget",
        "object",
        "what one item may use with all its attempts, repairs and models: `requests`, `tokens`, `usd`; a "
        "call that may go beyond it is not made",
        content=False,
    ),
    Param("options", "object", "further keys of the request, as the server knows them"),
    Param("replay_file", "string", "the file of recorded answers, for the provider replay"),
    Param(
        "on_missing",
        "string",
        "what is done where no answer is recorded. record: the server is asked, and its answer added",
        default="record",
        choices=("record", "fail"),
        content=False,
    ),
)

OUTPUTS = (
    Output("response", "any", "the answer: text, or with `output_schema` the value", diagnostic=True),
    Output(
        "tool_calls",
        "array",
        "the calls of tools that the model asks for, each with `id`, `name` and `arguments`",
        diagnostic=True,
    ),
    Output("reasoning", "string", "what the model thought before, where it tells", diagnostic=True),
    Output(
        "llm_usage",
        "object",
        "`model`, `calls`, `input_tokens`, `output_tokens`, `total_tokens`, `cached_tokens`, null where that "
        "was not told, and `cost` in US dollars, null without a price; `reasoning_tokens`, `repairs`, "
        "`failed_models` where there are any, `estimated` for a guess, `kept` where nobody was asked",
        diagnostic=True,
    ),
    Output("finish_reason", "string", "why the answer ended: stop, length, ...", diagnostic=True),
    Output(
        "choices",
        "array",
        "all answers where `n` asks for several, each with `response`, `tool_calls`, `reasoning`, "
        "`logprobs` and `finish_reason`",
        diagnostic=True,
    ),
    Output("logprobs", "any", "the probabilities of tokens, as the server tells them", diagnostic=True),
    Output("raw", "object", "the whole answer, where `raw` asks for it", diagnostic=True),
    Output("error", "string", "why the node failed, empty if it did not", diagnostic=True),
)
