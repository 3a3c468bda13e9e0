// The upload form on Node.js and the AWS SDK for JavaScript, bundled by esbuild, over a loop of its own: written from
// the contract, for the bench alone.
import { Agent, request } from "node:http";

import { DynamoDBClient, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { S3Client } from "@aws-sdk/client-s3";
import { createPresignedPost } from "@aws-sdk/s3-presigned-post";
import { blake2b } from "@noble/hashes/blake2.js";

const EXPIRES = 3600;
const MAX_UPLOAD_BYTES = 5 * 1024 ** 3;

const { AWS_LAMBDA_RUNTIME_API, MEDIA_BUCKET_NAME, RESPONSES_TABLE_NAME } = process.env;
const dynamodb = new DynamoDBClient({});
const s3 = new S3Client({});

class Refusal extends Error {
  constructor(status, code, message) {
    super(message);
    Object.assign(this, { status, code });
  }
}

async function handle(event) {
  try {
    const [, route, project, step] = event.rawPath.split("/");
    if (route !== "presignedurl") throw new Refusal(404, "NotFoundError", "there is no such path");
    return response(200, await form(project, step, event.queryStringParameters));
  } catch (error) {
    if (error instanceof Refusal) return response(error.status, { Code: error.code, Message: error.message });
    console.error(error.message);
    return response(503, { Code: "ServiceUnavailableError", Message: "an AWS call failed; no form was issued" });
  }
}

async function form(project, step, parameters) {
  if (!parameters) throw new Refusal(404, "NotFoundError", "No parameter has been sent");
  const { mail } = parameters;
  if (!mail) throw new Refusal(404, "NotFoundError", "mail is empty");
  if (!project) throw new Refusal(404, "NotFoundError", "project is empty");
  const number = /^-?\d+$/.test(step) ? BigInt(step) : 0n;
  const digest = Buffer.from(blake2b(Buffer.from(mail), { dkLen: 10 })).toString("hex");
  const key = `${project}/${number}/${digest}.webm`;
  const now = new Date();
  await record(`${project}-${number}`, mail, key, now);
  console.log(JSON.stringify({ level: "INFO", message: "upload form issued", key }));
  const Fields = { "Content-Type": "video/webm", success_action_status: "201" };
  const Conditions = [["content-length-range", 1, MAX_UPLOAD_BYTES]];
  const post = { Bucket: MEDIA_BUCKET_NAME, Key: key, Fields, Conditions, Expires: EXPIRES };
  const expiresAt = rfc3339(new Date(now.getTime() + EXPIRES * 1000));
  return { ...(await createPresignedPost(s3, post)), expiresAt };
}

function record(projectStep, mail, key, now) {
  const update = {
    TableName: RESPONSES_TABLE_NAME,
    Key: { ProjectStep: { S: projectStep }, Mail: { S: mail } },
    UpdateExpression:
      "SET video = :key, requestedAt = :now, updatedAt = :now, #status = if_not_exists(#status, :requested)",
    ExpressionAttributeNames: { "#status": "status" },
    ExpressionAttributeValues: { ":key": { S: key }, ":now": { S: rfc3339(now) }, ":requested": { S: "requested" } },
  };
  return dynamodb.send(new UpdateItemCommand(update));
}

function rfc3339(time) {
  return `${time.toISOString().slice(0, 19)}Z`;
}

function response(statusCode, body) {
  const headers = { "content-type": "application/json", "access-control-allow-origin": "*" };
  return { statusCode, headers, body: JSON.stringify(body) };
}

// The Runtime API: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
const [host, port] = AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new Agent({ keepAlive: true, maxSockets: 1 });

function call(method, path, body = "") {
  return new Promise((resolve, reject) => {
    const headers = { "content-length": Buffer.byteLength(body) };
    const sent = request({ agent, host, port, method, path: `/2018-06-01/runtime/invocation/${path}`, headers });
    sent.on("error", reject);
    sent.on("response", (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("end", () => resolve({ headers: answer.headers, body: Buffer.concat(parts) }));
      answer.on("error", reject);
    });
    sent.end(body);
  });
}

async function run() {
  for (;;) {
    const next = await call("GET", "next");
    const id = next.headers["lambda-runtime-aws-request-id"];
    await call("POST", `${id}/response`, JSON.stringify(await handle(JSON.parse(next.body))));
  }
}

run();
