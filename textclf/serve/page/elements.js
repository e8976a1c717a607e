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

const SHADES = 5;

export const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);

// A text, its words coloured by what they add to the label that is explained.
export function passage(text, explanation) {
  const paragraph = make("p", "passage");
  paragraph.dir = "auto";
  if (!explanation) {
    paragraph.append(text);
    return paragraph;
  }
  const points = Array.from(explanation.normal_form ?? text); // places are counted in code points
  const parts = [...explanation.tokens, ...explanation.between].sort((a, b) => a.start - b.start || a.end - b.end);
  const largest = Math.max(...parts.map(({ contribution }) => Math.abs(contribution)), 1e-9);
  let place = 0;
  for (const { start, end, contribution } of parts) {
    paragraph.append(points.slice(place, start).join(""));
    const string = points.slice(start, end).join("");
    const level = Math.round((SHADES * Math.abs(contribution)) / largest);
    if (level && string.trim()) {
      const word = make("mark", `${contribution > 0 ? "f" : "a"}${level}`, string);
      word.title = signed(contribution);
      paragraph.append(word);
    } else paragraph.append(string);
    place = end;
  }
  paragraph.append(points.slice(place).join(""));
  return paragraph;
}

// One line of a list of bars: a name, a bar of this share, and what is said of it.
export function bar(name, share, said) {
  const fill = make("span", "fill");
  fill.style.width = `${100 * share}%`;
  const track = make("span", "track", fill);
  track.ariaHidden = "true";
  const label = make("span", "name", name);
  label.title = name;
  return make("li", "", label, track, make("span", "share", said));
}
