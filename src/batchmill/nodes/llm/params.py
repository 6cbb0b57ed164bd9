"""The params and outputs of the ``llm`` node."""

from __future__ import annotations

from batchmill.nodes.access.params import ACCESS_PARAMS
from batchmill.nodes.contract import Output, Param
from batchmill.nodes.llm.question import JSON_SCHEMA, MODES

TIMEOUT = 300.0
MAX_RESPONSE_BYTES = 64 * 1024 * 1024
KEY_VARIABLE = "OPENAI_API_KEY"

PARAMS = (
    Param("prompt", "any", "the question; objects and lists become JSON"),
    Param("system", "string", "the system message"),
    Param(
        "messages",
        "array",
        "messages before the prompt, or instead of it: objects with `role` and `content`, as "
        "in OpenAI's interface",
    ),
    Param("model", "string", "the name of the model, as the server knows it"),
    Param(
        "models",
        "array",
        "models to ask one after another until one answers: names, or objects with `model` "
        "and the keys that differ for it (`base_url`, `api_key_env`, `temperature`, "
        "`max_tokens`, `timeout`, `mode`, `api`, `options`)",
    ),
    Param(
        "fall_back_on",
        "array",
        "after which failures the next of `models` is asked: `refused`, `denied`, `timeout`, `failed`, "
        "`too_long`, `unusable`, types of errors such as `HTTP500`; after those that have a word without it",
    ),
    Param("temperature", "number", "how much answers vary: 0 the least", minimum=0),
    Param("max_tokens", "integer", "the most tokens of an answer; a longer one is cut off", minimum=1),
    Param("images", "array|string", "paths, URLs or data: URLs of images that go with the prompt"),
    Param("output_schema", "object", "JSON Schema that the answer must match; the answer is then parsed"),
    Param(
        "mode",
        "string",
        "how the server gets `output_schema`: as a schema, in the prompt with JSON mode, or "
        "in the prompt alone",
        default=JSON_SCHEMA,
        choices=MODES,
    ),
    Param(
        "repairs",
        "integer",
        "how often to send back an answer that does not match `output_schema`, with what is wrong",
        default=1,
        minimum=0,
    ),
    Param("tools", "array", "tools that the model may call, as in OpenAI's interface"),
    Param("tool_choice", "string|object", "which tool it must call, or `auto`, `none`, `required`"),
    Param("n", "integer", "how many answers to ask for at once; all are in `choices`", minimum=1),
    Param("logprobs", "boolean", "ask for the probabilities of tokens"),
    Param("top_logprobs", "integer", "how many likely tokens to return at each position", minimum=0),
    Param("raw", "boolean", "return the whole answer of the server in `raw`", default=False),
    Param(
        "stream",
        "boolean",
        "receive the answer part by part, each as an event `AnswerPart`; the outputs are the same",
        default=False,
        content=False,
    ),
    Param(
        "timeout",
        "number",
        "seconds for the answer, repairs included",
        default=TIMEOUT,
        minimum=0.001,
        content=False,
    ),
    Param(
        "provider",
        "string",
        "openai: a server. echo: returns the prompt. replay: answers from `replay_file`",
        default="openai",
        choices=("openai", "echo", "replay"),
    ),
    Param(
        "base_url",
        "string",
        "the address of the server; OpenAI's own by default",
        templates="url",
        content=False,
    ),
    Param(
        "api",
        "string",
        "the server's interface to use: `/chat/completions` or `/responses`",
        default="chat",
        choices=("chat", "responses"),
    ),
    Param(
        "batch_api",
        "boolean|object",
        "send requests through the server's batch API, which answers within a day at half the"
        " price; an object may have `completion_window`, `max_requests`, `max_bytes` and "
        "`price`",
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
        "refuse a larger answer",
        default=MAX_RESPONSE_BYTES,
        minimum=0,
        content=False,
    ),
    Param(
        "item_budget",
        "object",
        "the limit for one item, over all its attempts, repairs and models: `requests`, "
        "`tokens`, `usd`; a call that may exceed it is not made",
        content=False,
    ),
    Param("options", "object", "more keys of the request, as the server expects them"),
    Param("replay_file", "string", "the file of recorded answers, for the provider replay"),
    Param(
        "on_missing",
        "string",
        "what to do if no answer is recorded. record: ask the server and add its answer. fail: fail",
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
        "the tool calls that the model asks for, each with `id`, `name` and `arguments`",
        diagnostic=True,
    ),
    Output("reasoning", "string", "the model's reasoning, if the server returns it", diagnostic=True),
    Output(
        "llm_usage",
        "object",
        "`model`, `calls`, `input_tokens`, `output_tokens`, `total_tokens`, `cached_tokens` "
        "(null if not reported) and `cost` in US dollars (null without a price); "
        "`reasoning_tokens`, `repairs` and `failed_models` if there are any, `estimated` for "
        "an estimate, `kept` if no server was asked",
        diagnostic=True,
    ),
    Output("finish_reason", "string", "why the answer ended: stop, length, ...", diagnostic=True),
    Output(
        "choices",
        "array",
        "all answers if `n` asks for several, each with `response`, `tool_calls`, "
        "`reasoning`, `logprobs` and `finish_reason`",
        diagnostic=True,
    ),
    Output("logprobs", "any", "the probabilities of tokens, as the server reports them", diagnostic=True),
    Output("raw", "object", "the whole answer, if `raw` asks for it", diagnostic=True),
    Output("error", "string", "why the node failed, empty if it did not", diagnostic=True),
)
