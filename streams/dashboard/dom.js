// Elements from code. Text is set as text, never as markup: names of containers are anybody's.

const SVG = 'http://www.w3.org/2000/svg';

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  append(node, children);
  return node;
}

function append(node, children) {
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

export const h = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
export const s = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

export function show(node, ...children) {
  node.textContent = '';
  append(node, children);
  return node;
}

// Touches the page only where something is different: a thousand rows mostly stay as they are.
export function setText(node, text) {
  if (node.firstChild?.nodeValue !== text || node.childNodes.length > 1) node.textContent = text;
}

export function setAttribute(node, name, value) {
  if (value === null) node.removeAttribute(name);
  else if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

export function note(text) {
  const line = h('p', { class: 'note' }, text);
  document.getElementById('notes').append(line);
  setTimeout(() => line.remove(), 6000);
}
