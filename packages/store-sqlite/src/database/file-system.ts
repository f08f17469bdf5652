import { statfsSync } from "node:fs";

/** What the file system under a store keeps. Found out on Linux only. */
export type FileSystem = { keeps: "what is synced" } | { keeps: "nothing" | "unsure"; name: string };

/** The magic numbers of statfs(2) that matter. */
const known: ReadonlyMap<number, FileSystem> = new Map<number, FileSystem>([
  ...names({ tmpfs: 0x01021994, ramfs: 0x858458f6 }, "nothing"),
  ...names(
    {
      nfs: 0x6969,
      smb: 0x517b,
      smb2: 0xfe534d42,
      cifs: 0xff534d42,
      ceph: 0x00c36400,
      afs: 0x5346414f,
      coda: 0x73757245,
      lustre: 0x0bd00bd0,
      "9p": 0x01021997,
      fuse: 0x65735546,
      overlay: 0x794c7630,
    },
    "unsure",
  ),
]);

/** The file system that holds the file, which is there. @throws the file system's error */
export function fileSystemOf(file: string): FileSystem {
  return process.platform === "linux" ? fileSystemFrom(statfsSync(file).type) : keepsWhatIsSynced;
}

/** What a type of statfs(2) stands for. */
export function fileSystemFrom(type: number): FileSystem {
  return known.get(type >>> 0) ?? keepsWhatIsSynced;
}

const keepsWhatIsSynced: FileSystem = { keeps: "what is synced" };

function names(magic: Record<string, number>, keeps: "nothing" | "unsure"): [number, FileSystem][] {
  return Object.entries(magic).map(([name, type]) => [type, { keeps, name }]);
}
