// csharp.mjs SDK PROGRAM...: parses the C# files below the folders. It looks up in the SDK the types and properties that the programs
// use, and the kinds of values that they give. It replaces a compiler, so that no .NET is needed. Run it beside node_modules.
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

// parse returns the syntax trees of the C# files below a folder.
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

// propertyTypes returns the text of each property's type, by type and property.
function propertyTypes(sources) {
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

// createdType returns the type that an object creation makes. A bare new() makes the arguments of the resource around it.
function createdType(node) {
  if (node?.type === "object_creation_expression") return last(node.childForFieldName("type").text);
  if (node?.type !== "implicit_object_creation_expression") return undefined;
  const around = createdType(node.parent.parent.parent); // argument, arguments, creation
  return around && around + "Args";
}

const kinds = { string_literal: "string", interpolated_string_expression: "string", integer_literal: "int", boolean_literal: "bool" };

// valueTypes returns the types of the values in an expression. The type of the property must mention each of them.
function valueTypes(types, value, report) {
  if (kinds[value.type]) return [kinds[value.type]];
  if (createdType(value)) return [createdType(value)];
  if (value.type === "member_access_expression" && types.has(last(value.childForFieldName("expression").text))) {
    const owner = last(value.childForFieldName("expression").text);
    if (!types.get(owner).has(value.childForFieldName("name").text)) report(value, `${value.text} is not in the SDK`);
    return [owner];
  }
  // An entry of a map: { "key", value }.
  if (value.type === "initializer_expression" && value.parent.type === value.type) return valueTypes(types, value.namedChildren.at(-1), report);
  if (value.type === "assignment_expression") return valueTypes(types, value.childForFieldName("right"), report);
  if (value.type === "invocation_expression") return value.childForFieldName("arguments").namedChildren.flatMap((a) => valueTypes(types, a.namedChild(0), report));
  if (/array_creation|initializer/.test(value.type)) return value.namedChildren.flatMap((child) => valueTypes(types, child, report));
  return [];
}

// checkAssignments checks that each property exists and that its value has the right kind.
function checkAssignments(types, { file, root }) {
  const report = (node, text) => fail(file, node, text);
  for (const assignment of root.descendantsOfType("assignment_expression")) {
    const owner = createdType(assignment.parent.parent);
    const name = assignment.childForFieldName("left");
    if (!owner?.endsWith("Args") || name.type !== "identifier") continue;
    const type = types.get(owner)?.get(name.text);
    if (type === undefined) {
      report(assignment, `${owner}.${name.text} is not in the SDK`);
      continue;
    }
    for (const kind of valueTypes(types, assignment.childForFieldName("right"), report)) {
      const accepted = kind === "int" ? "int|double" : kind; // C# converts an integer to a double
      if (!new RegExp(`\\b(${accepted})\\b`).test(type)) report(assignment, `${owner}.${name.text} is ${type}, the value is ${kind}`);
    }
  }
}

// checkOutputs checks that each output that a program reads exists.
function checkOutputs(types, { file, root }) {
  const variables = new Map();
  for (const variable of root.descendantsOfType("variable_declarator")) {
    const type = createdType(variable.namedChildren.at(-1));
    if (types.has(type) && types.has(type + "Args")) variables.set(variable.childForFieldName("name").text, type);
  }
  for (const access of root.descendantsOfType("member_access_expression")) {
    const type = variables.get(access.childForFieldName("expression").text);
    const name = access.childForFieldName("name").text;
    if (type && !types.get(type).has(name)) fail(file, access, `${type}.${name} is not in the SDK`);
  }
}

const [sdk, ...programs] = process.argv.slice(2);
const types = propertyTypes(parse(sdk));
for (const program of programs.flatMap(parse)) {
  checkAssignments(types, program);
  checkOutputs(types, program);
}
process.exit(failures > 0 ? 1 : 0);
