// Runs a compiled Pulumi program with the SDK's mocks: node run.js <program> <project> <configuration, JSON> <URL>. The resources of
// provider buildkit are made at the URL, by a real one; those of aws are what the program said, and what others need of them. Prints what
// was registered, as JSON.
const pulumi = require("@pulumi/pulumi");

const [program, project, config, url] = process.argv.slice(2);

async function post(path, body) {
    const answer = await fetch(url + path, { method: "POST", body: JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) {
        throw new Error(text);
    }
    return JSON.parse(text);
}

const made = { resources: {} };

async function newResource({ type, name, inputs }) {
    const arn = `arn:aws:mock:eu-west-1:123456789012:${name}`;
    let state = { name, arn, ...inputs };
    if (type === "aws:ecr/repository:Repository" || type === "buildkit:index:Image") {
        state = { ...state, ...(await post("/" + type, inputs)) };
    }
    made.resources[type + " " + name] = inputs;
    return { id: name + "-id", state };
}

function call({ token, inputs }) {
    return token === "aws:index/getRegion:getRegion" ? { ...inputs, region: "eu-west-1" } : inputs;
}

async function main() {
    pulumi.runtime.setAllConfig(JSON.parse(config));
    await pulumi.runtime.setMocks({ newResource, call }, project, "dev", false);
    await pulumi.runtime.runInPulumiStack(async () => require(program));
    await pulumi.runtime.disconnect();
    console.log(JSON.stringify(made));
}

main().catch((err) => {
    console.error(err);
    process.exit(1);
});
