// What all scripts of the page share. Texts, labels and names are put on the page as text, never as HTML.

export const byId = (id) => document.getElementById(id);

export function make(kind, className, ...children) {
  const element = document.createElement(kind);
  if (className) element.className = className;
  element.append(...children); // strings become text nodes
  return element;
}

export function say(element, message, isWrong = false) {
  element.textContent = message;
  element.classList.toggle("wrong", isWrong);
}

// A share with one digit, which never reads 0.0 % or 100.0 % where it is neither.
export function percent(share) {
  if (share > 0 && share < 0.0005) return "< 0.1 %";
  if (share < 1 && share >= 0.9995) return "> 99.9 %";
  return `${(100 * share).toFixed(1)} %`;
}

export const token = () => sessionStorage.getItem("token");

export function askForToken() {
  byId("token-form").hidden = false;
  byId("token").focus();
}

export class Refused extends Error {}

export async function ask(path, body) {
  const headers = { "Content-Type": "application/json" };
  if (token()) headers.Authorization = `Bearer ${token()}`;
  const options = body ? { method: "POST", headers, body: JSON.stringify(body) } : { headers };
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Refused("The service does not answer.");
  }
  if (response.ok) return response.json();
  if (response.status === 401) askForToken();
  const { error } = await response.json().catch(() => ({ error: `The service answers ${response.status}.` }));
  throw new Refused(error);
}
