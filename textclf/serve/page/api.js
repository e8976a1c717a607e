// The description of the API, read from openapi.json and shown without anything from elsewhere.
import { ask, byId, make, say } from "./elements.js";

async function start() {
  try {
    const description = await ask("openapi.json");
    const operations = Object.entries(description.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => show(path, method, operation, description.components.schemas)),
    );
    byId("operations").replaceChildren(...operations);
  } catch (error) {
    say(byId("status"), error.message, true);
  }
}

function show(path, method, operation, schemas) {
  const article = make("article", "card operation");
  article.id = operation.operationId;
  article.append(
    make("h2", "", make("span", "method", method.toUpperCase()), " ", make("code", "", path)),
    make("p", "", operation.summary),
  );
  if (operation.security) article.append(make("p", "hint", "Needs the token: Authorization: Bearer TOKEN"));
  if (operation.parameters) article.append(table("Query", operation.parameters.map((one) => field(one.name, one.schema, one.description))));
  if (operation.requestBody) article.append(bodyOf("Body", operation.requestBody.content, schemas));
  article.append(make("pre", "curl", curl(path, method, operation)));
  const { 200: answer, ...errors } = operation.responses;
  article.append(bodyOf("Answer", answer.content, schemas));
  const reasons = Object.entries(errors).map(([status, { description }]) => [status, description]);
  article.append(make("details", "", make("summary", "", "Errors"), table("", reasons)));
  return article;
}

function bodyOf(title, content, schemas) {
  const name = `${title}: ${Object.keys(content).join(", ")}`;
  const [{ schema }] = Object.values(content);
  const fields = listFields(schema, schemas, "");
  return fields.length ? table(name, fields) : make("p", "kind", name);
}

function listFields(schema, schemas, place) {
  const found = resolve(schema, schemas);
  const required = new Set(place ? [] : found.required);
  return Object.entries(found.properties ?? {}).flatMap(([name, one]) => {
    const [shown, type, said] = field(`${place}${name}`, one, one.description);
    const more = one.items?.$ref ? listFields(one.items, schemas, `${name}[].`) : [];
    return [[shown, more.length ? "list of objects" : type, required.has(name) && found.title.endsWith("Request") ? `${said} Required.` : said], ...more];
  });
}

const resolve = (schema, schemas) => (schema.$ref ? schemas[schema.$ref.split("/").pop()] : schema);

function field(name, schema, description) {
  const byDefault = schema.default === undefined || schema.default === null ? "" : ` Default: ${schema.default}.`;
  return [name, typeOf(schema), `${description ?? ""}${byDefault}`];
}

function typeOf(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.enum) return schema.enum.length > 8 ? `${schema.enum.slice(0, 4).join(", ")} …` : schema.enum.join(", ");
  if (schema.anyOf) return schema.anyOf.filter((one) => one.type !== "null").map(typeOf).join(" or ");
  if (schema.type === "array") return `list of ${typeOf(schema.items)}`;
  return schema.type ?? "any";
}

function table(title, rows) {
  const body = make("tbody", "", ...rows.map(([first, ...rest]) => {
    const head = make("th", "", make("code", "", first));
    head.scope = "row";
    return make("tr", "", head, ...rest.map((one) => make("td", "", one)));
  }));
  const made = make("table", "fields", body);
  if (title) made.prepend(make("caption", "kind", title));
  const box = make("div", "scroll", made);
  box.tabIndex = 0;
  box.role = "region";
  box.ariaLabel = title || "Errors";
  return box;
}

function curl(path, method, operation) {
  const address = new URL(path.slice(1), new URL(".", location.href)).href;
  const withToken = operation.security ? ' -H "Authorization: Bearer $TOKEN"' : "";
  if (method === "get") return `curl${withToken} ${address}`;
  if (operation.parameters) return `curl${withToken} --data-binary @new.csv '${address}?text_column=text'`;
  return `curl${withToken} -H 'Content-Type: application/json' -d '{"texts": ["A film that stays with you."]}' ${address}`;
}

start();
