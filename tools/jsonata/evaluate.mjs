// Evaluates expressions on the reference implementation of JSONata: a JSON list comes in, one of answers goes out.
import { readFileSync } from "node:fs";
import jsonata from "jsonata";

const answers = [];
for (const { expression, names } of JSON.parse(readFileSync(0, "utf-8"))) {
  try {
    const compiled = jsonata(expression);
    compiled.registerFunction("random", () => 0.5);
    const value = await compiled.evaluate(undefined, names);
    answers.push(value === undefined ? {} : { value });
  } catch (error) {
    answers.push({ error: String(error.message) });
  }
}
process.stdout.write(JSON.stringify(answers));
