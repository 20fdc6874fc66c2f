// csharp.mjs SDK PROGRAM...: parses the C# files below the folders, and looks up in the SDK's what the programs use of it: types,
// properties, and the kinds of values that they are given. It stands in for a compiler where there is no .NET. Run it where node_modules is.
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(process.cwd() + "/");
const { Language, Parser } = require("web-tree-sitter");
await Parser.init();
const parser = new Parser();
parser.setLanguage(await Language.load(require.resolve("tree-sitter-c-sharp/tree-sitter-c_sharp.wasm")));

let failures = 0;
const fail = (file, node, text) => {
  failures++;
  console.error(`${file}:${node.startPosition.row + 1}: ${text}`);
};

function parse(folder) {
  const names = fs.readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".cs")).map((name) => path.join(folder, name));
  if (names.length === 0) throw new Error(`there is no C# in ${folder}`);
  return names.map((file) => {
    const root = parser.parse(fs.readFileSync(file, "utf8")).rootNode;
    for (const node of root.descendantsOfType("ERROR")) fail(file, node, `syntax: ${node.text.slice(0, 80)}`);
    if (root.hasError && failures === 0) fail(file, root, "syntax: something is missing");
    return { file, root };
  });
}

// types is, by type and property, the text of the property's type.
function declared(sources) {
  const types = new Map();
  for (const { root } of sources) {
    for (const type of root.descendantsOfType(["class_declaration", "struct_declaration"])) {
      const body = type.childForFieldName("body").namedChildren.filter((member) => member.type === "property_declaration");
      const properties = body.map((member) => [member.childForFieldName("name").text, member.childForFieldName("type").text]);
      types.set(type.childForFieldName("name").text, new Map(properties));
    }
  }
  return types;
}

const last = (name) => name.split(".").pop();

// created is the name of the type that an object creation makes: new() is the arguments of the resource around it.
function created(node) {
  if (node?.type === "object_creation_expression") return last(node.childForFieldName("type").text);
  if (node?.type !== "implicit_object_creation_expression") return undefined;
  const around = created(node.parent.parent.parent); // argument, arguments, creation
  return around && around + "Args";
}

const kinds = { string_literal: "string", interpolated_string_expression: "string", integer_literal: "int", boolean_literal: "bool" };

// given are the names of types, one of which the value's place must mention, of every value in an expression.
function given(types, value, report) {
  if (kinds[value.type]) return [kinds[value.type]];
  if (created(value)) return [created(value)];
  if (value.type === "member_access_expression" && types.has(last(value.childForFieldName("expression").text))) {
    const owner = last(value.childForFieldName("expression").text);
    if (!types.get(owner).has(value.childForFieldName("name").text)) report(value, `${value.text} is not in the SDK`);
    return [owner];
  }
  // An entry of a map: { "key", value }.
  if (value.type === "initializer_expression" && value.parent.type === value.type) return given(types, value.namedChildren.at(-1), report);
  if (value.type === "assignment_expression") return given(types, value.childForFieldName("right"), report);
  if (value.type === "invocation_expression") return value.childForFieldName("arguments").namedChildren.flatMap((a) => given(types, a.namedChild(0), report));
  if (/array_creation|initializer/.test(value.type)) return value.namedChildren.flatMap((child) => given(types, child, report));
  return [];
}

function checkAssignments(types, { file, root }) {
  const report = (node, text) => fail(file, node, text);
  for (const assignment of root.descendantsOfType("assignment_expression")) {
    const owner = created(assignment.parent.parent);
    const name = assignment.childForFieldName("left");
    if (!owner?.endsWith("Args") || name.type !== "identifier") continue;
    const type = types.get(owner)?.get(name.text);
    if (type === undefined) {
      report(assignment, `${owner}.${name.text} is not in the SDK`);
      continue;
    }
    for (const kind of given(types, assignment.childForFieldName("right"), report)) {
      if (!new RegExp(`\\b${kind}\\b`).test(type)) report(assignment, `${owner}.${name.text} is ${type}, the value is ${kind}`);
    }
  }
}

// checkOutputs looks up what is read of the variables that hold resources.
function checkOutputs(types, { file, root }) {
  const variables = new Map();
  for (const variable of root.descendantsOfType("variable_declarator")) {
    const type = created(variable.namedChildren.at(-1));
    if (types.has(type) && types.has(type + "Args")) variables.set(variable.childForFieldName("name").text, type);
  }
  for (const access of root.descendantsOfType("member_access_expression")) {
    const type = variables.get(access.childForFieldName("expression").text);
    const name = access.childForFieldName("name").text;
    if (type && !types.get(type).has(name)) fail(file, access, `${type}.${name} is not in the SDK`);
  }
}

const [sdk, ...programs] = process.argv.slice(2);
const types = declared(parse(sdk));
for (const program of programs.flatMap(parse)) {
  checkAssignments(types, program);
  checkOutputs(types, program);
}
process.exit(failures > 0 ? 1 : 0);
