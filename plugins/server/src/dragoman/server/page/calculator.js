// Arithmetic without eval: numbers, + - * / % ^, parentheses, and a few functions.

const FUNCTIONS = {abs: Math.abs, ceil: Math.ceil, cos: Math.cos, exp: Math.exp, floor: Math.floor, ln: Math.log,
  log: Math.log10, max: Math.max, min: Math.min, round: Math.round, sin: Math.sin, sqrt: Math.sqrt, tan: Math.tan};
const CONSTANTS = {e: Math.E, pi: Math.PI};
const LONGEST = 1000;
const DEEPEST = 100;
const TOKEN = /\s*(?:(\d+(?:\.\d*)?(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?)|([a-z][a-z0-9]*)|(\*\*|[-+*/%^(),]))/iy;

function tokensOf(text) {
  const tokens = [];
  TOKEN.lastIndex = 0;
  while (text.slice(TOKEN.lastIndex).trim()) {
    const at = TOKEN.lastIndex;
    const found = TOKEN.exec(text);
    if (!found) throw new Error(`cannot read ${JSON.stringify(text.slice(at, at + 20).trim())}`);
    const [, number, name, sign] = found;
    tokens.push(number ? Number(number) : (name?.toLowerCase() ?? (sign === "**" ? "^" : sign)));
  }
  return tokens;
}

class Parser {
  constructor(tokens) {
    this.tokens = tokens;
    this.at = 0;
    this.depth = 0;
  }

  take(...wanted) {
    return wanted.includes(this.tokens[this.at]) ? this.tokens[this.at++] : null;
  }

  need(wanted) {
    if (!this.take(wanted)) throw new Error(`${wanted} is missing`);
  }

  sum() {
    if (++this.depth > DEEPEST) throw new Error("it is nested too deep");
    let value = this.product();
    for (let sign; (sign = this.take("+", "-"));) value = sign === "+" ? value + this.product() : value - this.product();
    this.depth--;
    return value;
  }

  product() {
    let value = this.signed();
    for (let sign; (sign = this.take("*", "/", "%"));) {
      const other = this.signed();
      value = sign === "*" ? value * other : sign === "/" ? value / other : value % other;
    }
    return value;
  }

  signed() {
    let negative = false;
    for (let sign; (sign = this.take("+", "-"));) negative = negative !== (sign === "-");
    const value = this.power();
    return negative ? -value : value;
  }

  power() {
    const base = this.atom();
    if (!this.take("^")) return base;
    if (++this.depth > DEEPEST) throw new Error("it is nested too deep");
    const exponent = this.signed();
    this.depth--;
    return base ** exponent;
  }

  atom() {
    const token = this.tokens[this.at++];
    if (typeof token === "number") return token;
    if (token === "(") return this.closed(this.sum());
    if (Object.hasOwn(CONSTANTS, token ?? "")) return CONSTANTS[token];
    if (!Object.hasOwn(FUNCTIONS, token ?? "")) throw new Error(token ? `${token} is unknown` : "it ends too early");
    this.need("(");
    const values = [this.sum()];
    while (this.take(",")) values.push(this.sum());
    return this.closed(FUNCTIONS[token](...values));
  }

  closed(value) {
    this.need(")");
    return value;
  }
}

/** The value of an expression. Throws an Error that says what is wrong with it. */
export function calculate(expression) {
  const text = String(expression ?? "");
  if (text.length > LONGEST) throw new Error("the expression is too long");
  const parser = new Parser(tokensOf(text));
  const value = parser.sum();
  if (parser.at < parser.tokens.length) throw new Error(`${parser.tokens[parser.at]} is not expected`);
  return value;
}
