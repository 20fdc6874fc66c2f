import * as buildkit from "@pulumi-buildkit/buildkit";
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";

const repository = new aws.ecr.Repository("hello", { name: "hello", imageTagMutability: "IMMUTABLE" });

const image = new buildkit.Image("hello", {
    context: { location: "function" },
    platforms: ["linux/amd64", "linux/arm64"],
    tags: [pulumi.interpolate`${repository.repositoryUrl}:{hash}`],
});

const role = new aws.iam.Role("hello", {
    assumeRolePolicy: aws.iam.assumeRolePolicyForPrincipal({ Service: "lambda.amazonaws.com" }),
    managedPolicyArns: ["arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"],
});

// Lambda takes the manifest of one platform and refuses the index of several.
const hello = new aws.lambda.Function("hello", {
    packageType: "Image",
    imageUri: image.manifests.apply((manifests) => manifests["linux/arm64"].repoDigest),
    architectures: ["arm64"],
    role: role.arn,
});

export const functionArn = hello.arn;
