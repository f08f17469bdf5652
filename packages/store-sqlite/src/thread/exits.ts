import { markExit } from "../database/exit-mark.ts";

/** The files that are open in this process. */
const open = new Map<symbol, string>();

const markAll = () => {
  for (const file of open.values()) markExit(file);
};

/** Marks the file when the process exits, until that is called off. A process that is killed leaves the log as it is. */
export function markOnExit(file: string): () => void {
  if (open.size === 0) process.on("exit", markAll);
  const key = Symbol(file);
  open.set(key, file);
  return () => {
    open.delete(key);
    if (open.size === 0) process.off("exit", markAll);
  };
}
