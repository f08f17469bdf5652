/** Something the network layer refused or cut. `what` is a fixed word, good as a label. */
export interface ConnectionEvent {
  what:
    | "accept-failed"
    | "connection-limit"
    | "sniff-timeout"
    | "tls-error"
    | "http2-session-error"
    | "http2-ping-timeout"
    | "stalled-reader"
    | "receive-deadline";
  error?: unknown;
}
