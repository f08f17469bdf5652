// Handles GitHub webhook deliveries by type; see github-deliveries.ts.
import { defineHandler } from "@event-ingestion/worker";

interface Delivery {
  action?: string;
  repository?: { full_name: string };
  sender?: { login: string };
}

export default [
  defineHandler("push", async (event) => {
    const { ref, commits } = JSON.parse(event.payload) as { ref: string; commits: unknown[] };
    return `${commits.length} commits to ${ref}`;
  }),
  defineHandler("issues", async (event) => {
    const { action, issue } = JSON.parse(event.payload) as { action: string; issue: { number: number } };
    return `issue ${issue.number} ${action}`;
  }),
  defineHandler("pull_request", async (event) => {
    const { action, number } = JSON.parse(event.payload) as { action: string; number: number };
    return `pull request ${number} ${action}`;
  }),
  defineHandler("*", async (event) => {
    const { action, repository, sender } = JSON.parse(event.payload) as Delivery;
    const what = [event.type, action].filter(Boolean).join(" ");
    return `${what} in ${repository?.full_name ?? "no repository"} by ${sender?.login ?? "nobody"}`;
  }),
];
