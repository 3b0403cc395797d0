// The official clients for Node, as their users make them: asks once and prints what was heard, as JSON.
// node clients.mjs chat|responses|messages BASE_URL KEY plain|streamed
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";

const [client, baseURL, apiKey, how] = process.argv.slice(2);
const streamed = how === "streamed";
const parameters = { type: "object", properties: { city: { type: "string" } } };

const ask = {
  async chat() {
    const openai = new OpenAI({ baseURL: `${baseURL}/v1`, apiKey });
    const asked = {
      model: "m",
      messages: [{ role: "user", content: "Hello" }],
      tools: [{ type: "function", function: { name: "get_weather", parameters } }],
    };
    const got = streamed
      ? await openai.chat.completions.stream({ ...asked, stream_options: { include_usage: true } }).finalChatCompletion()
      : await openai.chat.completions.create(asked);
    const { content, refusal, tool_calls } = got.choices[0].message;
    return {
      text: (content ?? "") + (refusal ?? ""),
      tools: (tool_calls ?? []).map((it) => [it.function.name, it.function.arguments]),
      input: got.usage.prompt_tokens,
      output: got.usage.completion_tokens,
    };
  },
  async responses() {
    const openai = new OpenAI({ baseURL: `${baseURL}/v1`, apiKey });
    const asked = { model: "m", input: "Hello", tools: [{ type: "function", name: "get_weather", parameters, strict: false }] };
    const got = streamed
      ? await openai.responses.stream(asked).finalResponse()
      : await openai.responses.create(asked);
    const said = got.output.flatMap((it) => (it.type === "message" ? it.content : []));
    return {
      text: said.map((part) => part.text ?? part.refusal).join(""),
      tools: got.output.filter((it) => it.type === "function_call").map((it) => [it.name, it.arguments]),
      input: got.usage.input_tokens,
      output: got.usage.output_tokens,
    };
  },
  async messages() {
    const anthropic = new Anthropic({ baseURL, apiKey });
    const asked = {
      model: "m",
      max_tokens: 50,
      messages: [{ role: "user", content: "Hello" }],
      tools: [{ name: "get_weather", input_schema: parameters }],
    };
    const got = streamed
      ? await anthropic.messages.stream(asked).finalMessage()
      : await anthropic.messages.create(asked);
    const { input_tokens, cache_read_input_tokens, cache_creation_input_tokens, output_tokens } = got.usage;
    return {
      text: got.content.map((it) => (it.type === "text" ? it.text : "")).join(""),
      tools: got.content.filter((it) => it.type === "tool_use").map((it) => [it.name, JSON.stringify(it.input)]),
      input: input_tokens + (cache_read_input_tokens ?? 0) + (cache_creation_input_tokens ?? 0),
      output: output_tokens,
    };
  },
};

try {
  console.log(JSON.stringify(await ask[client]()));
} catch (error) {
  console.log(JSON.stringify({ status: error.status, id: error.requestID ?? null, message: String(error.message) }));
}
