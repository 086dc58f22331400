// Reads the text of a diagram as Mermaid does, and says as JSON what it has understood.
// node mermaid.mjs FOLDER < TEXT, where FOLDER is the node_modules with mermaid and jsdom.
import { pathToFileURL } from "node:url";

const folder = process.argv[2];
const { default: jsdom } = await import(pathToFileURL(`${folder}/jsdom/lib/api.js`));
globalThis.window = new jsdom.JSDOM("<!doctype html><body></body>").window; // it wants one, for its sanitizer
globalThis.document = window.document;
const { default: mermaid } = await import(pathToFileURL(`${folder}/mermaid/dist/mermaid.core.mjs`));

let text = "";
for await (const chunk of process.stdin) text += chunk;
await mermaid.parse(text);
const { type, db } = await mermaid.mermaidAPI.getDiagramFromText(text);
const kinds = Object.fromEntries(Object.entries(db.LINETYPE).map(([name, number]) => [number, name]));
const decoded = (text) => text.replace(/ﬂ°°(\d+)¶ß/g, (_, code) => String.fromCodePoint(code)); // it does so when it draws
const actors = [...db.getActors().values()].map((actor) => decoded(actor.description));
const messages = db.getMessages().map(({ type, message }) => [kinds[type], decoded(message)]);
console.log(JSON.stringify({ type, actors, messages }));
