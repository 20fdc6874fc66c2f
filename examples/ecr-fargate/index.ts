import * as buildkit from "@pulumi-buildkit/buildkit";
import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";

const config = new pulumi.Config();
const region = aws.getRegionOutput().region;

// Every tag but latest is written once, so a tag with a hash always names the same image.
const repository = new aws.ecr.Repository("shop", {
    name: "shop/web",
    imageTagMutability: "IMMUTABLE_WITH_EXCLUSION",
    imageTagMutabilityExclusionFilters: [{ filter: "latest*", filterType: "WILDCARD" }],
});

// No login is needed: the plugin gets a token from Amazon with the credentials that the AWS SDK finds.
const image = new buildkit.Image("web", {
    context: { location: "app" },
    platforms: ["linux/amd64", "linux/arm64"],
    tags: [pulumi.interpolate`${repository.repositoryUrl}:{hash}`, pulumi.interpolate`${repository.repositoryUrl}:latest`],
});

const role = new aws.iam.Role("execution", {
    assumeRolePolicy: aws.iam.assumeRolePolicyForPrincipal({ Service: "ecs-tasks.amazonaws.com" }),
    managedPolicyArns: ["arn:aws:iam::aws:policy/service-role/AmazonECSTaskExecutionRolePolicy"],
});
const logs = new aws.cloudwatch.LogGroup("web", { retentionInDays: 14 });

const task = new aws.ecs.TaskDefinition("web", {
    family: "web",
    cpu: "256",
    memory: "512",
    networkMode: "awsvpc",
    requiresCompatibilities: ["FARGATE"],
    executionRoleArn: role.arn,
    runtimePlatform: { operatingSystemFamily: "LINUX", cpuArchitecture: "ARM64" },
    containerDefinitions: pulumi.jsonStringify([
        {
            name: "web",
            image: image.repoDigest, // has the digest, so a new image gives a new task definition, which ECS deploys
            essential: true,
            portMappings: [{ containerPort: 8080 }],
            logConfiguration: {
                logDriver: "awslogs",
                options: { "awslogs-group": logs.name, "awslogs-region": region, "awslogs-stream-prefix": "web" },
            },
        },
    ]),
});

new aws.ecs.Service("web", {
    cluster: new aws.ecs.Cluster("shop").arn,
    launchType: "FARGATE",
    desiredCount: 2,
    taskDefinition: task.arn,
    networkConfiguration: { subnets: config.requireObject<string[]>("subnets"), assignPublicIp: true },
});

export const imageRef = image.repoDigest;
