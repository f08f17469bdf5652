/** The payload of every event in the benchmark: 196 bytes of JSON, which makes an event of about 250 bytes. */
export const payload: string = JSON.stringify({
  user: "1f0c5d2e",
  action: "page.viewed",
  note: "x".repeat(144),
});
