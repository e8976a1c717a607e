// What a model in JavaScript says of texts, and how many it labels a second; in Node, or imported by a page.
//
//     node benchmarks/javascript.mjs say MODEL.js < texts.json         node benchmarks/javascript.mjs time MODEL.js < texts.json

export function say(model, texts) {
  return texts.map((text) => {
    const { labels, abstained, confidence, knownWords, probabilities } = model.classify(text);
    const explanation = model.isMultiLabel ? null : model.explain(text);
    const tokens = model.tokenize(text);
    return { labels, abstained, confidence, knownWords, tokens, explanation, best: probabilities[0], P: [...model.probabilities(text)] };
  });
}

// Return the texts labelled a second, the first time and the best of the next five.
export function time(model, texts) {
  const rates = [];
  for (let run = 0; run < 6; run++) {
    const start = performance.now();
    for (const text of texts) model.classify(text, { topK: 1 });
    rates.push((1000 * texts.length) / (performance.now() - start));
  }
  return { first: rates[0], best: Math.max(...rates.slice(1)) };
}

// Return a digest of the tokens of each 4,096 code points, and of their neighbours.
export async function digestTokens(model) {
  const digests = [];
  for (let block = 0; block < 0x110; block++) {
    let text = "";
    for (let code = block << 12; code < (block + 1) << 12; code++) {
      const character = String.fromCodePoint(code);
      text += `${character}'B b${character} `;
    }
    const bytes = new TextEncoder().encode(model.tokenize(text).join("\n"));
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    digests.push(Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join(""));
  }
  return digests;
}

if (globalThis.process?.argv[1]?.endsWith("javascript.mjs")) {
  const { readFileSync } = await import("node:fs");
  const { pathToFileURL } = await import("node:url");
  const [, , what, path] = process.argv;
  const { default: model } = await import(pathToFileURL(path).href);
  const texts = JSON.parse(readFileSync(0, "utf8"));
  const told = what === "digest" ? await digestTokens(model) : what === "time" ? time(model, texts) : say(model, texts);
  process.stdout.write(JSON.stringify(told));
}
