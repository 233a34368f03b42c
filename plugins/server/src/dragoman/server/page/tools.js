// Tools: two that run in this page, and those of the user's, whose calls the user answers.

import {calculate} from "./calculator.js";

const DEMO = {
  calculate: {
    description: "The value of an arithmetic expression, such as (2 + 3) * sqrt(16).",
    parameters: {type: "object", properties: {expression: {type: "string"}}, required: ["expression"]},
    run: ({expression}) => ({result: calculate(expression)}),
  },
  current_time: {
    description: "The date and the time of day.",
    parameters: {type: "object", properties: {timezone: {type: "string", description: "Such as Europe/Paris"}}},
    run: ({timezone}) => ({time: clock(timezone)}),
  },
};

function clock(timezone) {
  const how = {dateStyle: "full", timeStyle: "long"};
  return new Intl.DateTimeFormat("en-GB", timezone ? {...how, timeZone: timezone} : how).format(new Date());
}

function tool(name, {description, parameters}) {
  const told = {name, parameters: parameters ?? {type: "object", properties: {}}};
  return {type: "function", function: description ? {name, description, parameters: told.parameters} : told};
}

/** OpenAI's tools for a request. `text` is what the user wrote; throws an Error that says what is wrong with it. */
export function toolsOf(withDemo, text) {
  const demo = withDemo ? Object.entries(DEMO).map(([name, told]) => tool(name, told)) : [];
  const tools = [...demo, ...ownTools(text)];
  const names = tools.map((one) => one.function.name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice) throw new Error(`Two tools are called ${twice}.`);
  return tools;
}

function ownTools(text) {
  if (!text.trim()) return [];
  let given;
  try {
    given = JSON.parse(text);
  } catch (error) {
    throw new Error(`This is not JSON: ${error.message}`);
  }
  return (Array.isArray(given) ? given : [given]).map(ownTool);
}

function ownTool(given) {
  const told = given?.function ?? given;
  if (typeof told?.name !== "string" || !/^[\w-]{1,64}$/.test(told.name)) {
    throw new Error("Each tool needs a name of letters, digits, _ and -.");
  }
  const parameters = told.parameters ?? told.input_schema;
  if (parameters !== undefined && (typeof parameters !== "object" || parameters === null)) {
    throw new Error(`The parameters of ${told.name} must be a JSON schema.`);
  }
  return tool(told.name, {...told, parameters});
}

/** Whether a call can be answered here. */
export function runsHere(call) {
  return Object.hasOwn(DEMO, call.function.name);
}

/** The answer to a call of a demo tool; what went wrong is an answer too, for the model to read. */
export function answerTo(call) {
  try {
    const given = JSON.parse(call.function.arguments || "{}");
    return JSON.stringify(DEMO[call.function.name].run(given ?? {}));
  } catch (error) {
    return JSON.stringify({error: error.message});
  }
}
