/** Types of `@single-state/hub-client`. What a name means: README.md beside this file. */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** Something that has a value now and says when it has another. */
export interface Readable<T> {
  get(): T
  /** Calls at once and at every change (a Svelte store). Returns the function that stops it. */
  subscribe(fn: (value: T) => void): () => void
  /** Calls at every change. */
  listen(fn: (value: T) => void): () => void
}

export interface Status {
  /** `ended`: the session is over. `closed`: only this connection is, and it does not come back by itself. */
  readonly name: 'connecting' | 'live' | 'waiting' | 'ended' | 'closed'
  readonly reason?: string
  readonly code?: number
  /** When the next attempt begins, in ms since 1970. */
  readonly retryAt?: number
}

export type Mode = 'live' | 'read_only' | 'maintenance'

export interface Connection {
  readonly id: string
  /** The app of that tab; null where it named none. */
  readonly app?: string | null
  readonly since: string
}

export type Op =
  | { op: 'add' | 'replace' | 'test'; path: string; value: unknown }
  | { op: 'remove'; path: string }
  | { op: 'move' | 'copy'; from: string; path: string }

// `apply` takes all of RFC 6902; one with `test`, `move` or `copy` in it is not shown before its change comes.

/** A JSON Merge Patch for a value of type T: null removes, arrays are replaced whole. */
export type Merge<T> = T extends readonly unknown[] ? T : T extends object ? { [K in keyof T]?: Merge<T[K]> | null } : T

export interface Change {
  readonly base: string
  readonly position: string
  readonly ops: readonly Op[]
  /** Absent where the change touched nothing that this page may see. */
  readonly actor?: string
  readonly at?: string
  readonly commit?: string
}

export interface Committed {
  readonly id: string
  readonly position: string
  readonly changed: boolean
}

export interface Problem {
  readonly code: string
  readonly status?: number
  readonly title?: string
  readonly detail?: string
  readonly retryable?: boolean
  readonly [fact: string]: unknown
}

/** A refusal of the hub, or what the client has to say itself: `offline`, `unconfirmed`, `too_large`, `timeout`, `closed`, `session_changed`. */
export class HubError extends Error {
  constructor(problem: Problem)
  readonly code: string
  /** HTTP status; 0 where no HTTP status belongs to it. */
  readonly status: number
  readonly retryable: boolean
  readonly problem: Problem
}

export interface CommitOptions {
  /** The idempotency key: 16 to 64 of `A-Z a-z 0-9 _ -`. Default: a new random one. */
  id?: string
  /** Commit only at exactly this position. */
  ifPosition?: string | undefined
  /** Takes the commit back if it was not sent yet; otherwise only stops the waiting. */
  signal?: AbortSignal
  /** How long to wait for a connection, in ms. Default 10 000. */
  queueMs?: number
}

export interface Ended {
  readonly reason?: string
  readonly detail?: string
  readonly ended_at?: string
  readonly code?: number
}

export interface Frame {
  readonly at: number
  readonly direction: 'in' | 'out'
  readonly message: { readonly type?: string; readonly [field: string]: unknown }
}

export interface SessionEvents {
  change: Change
  conflict: { readonly id: string; readonly problem: Problem; readonly error: HubError }
  ended: Ended
  error: Error
  frame: Frame
}

export interface Section<T> extends Readable<T | undefined> {
  patch(merge: Merge<T> | null, options?: CommitOptions): Promise<Committed>
  replace(value: T, options?: CommitOptions): Promise<Committed>
}

export interface PendingCommit {
  readonly id: string
  readonly state: 'queued' | 'sent' | 'lost' | 'committed'
  /** A snapshot came before its answer: it is shown on top of what was there before. */
  readonly held?: boolean
  /** The position from which on it is part of the hub's document, once that is known. */
  readonly at?: string
  readonly body: { readonly patch?: unknown; readonly ops?: readonly Op[]; readonly if_position?: string }
}

export interface Inspection {
  readonly document?: unknown
  readonly presence: readonly Connection[]
  readonly sid?: string
  readonly status: Status
  readonly mode: Mode
  readonly position?: string
  readonly view?: string
  readonly pending: readonly PendingCommit[]
  readonly frames: readonly Frame[]
}

export interface Session<D extends object = { [section: string]: Json }> extends Readable<D | undefined> {
  readonly status: Readable<Status>
  readonly mode: Readable<Mode>
  readonly position: Readable<string | undefined>
  /** How many commits the document of the hub does not contain yet. */
  readonly pending: Readable<number>
  readonly presence: Readable<readonly Connection[]>
  section<K extends keyof D & string>(name: K): Section<D[K]>
  select<T>(fn: (document: D | undefined) => T, equals?: (a: T, b: T) => boolean): Readable<T>
  patch(merge: Merge<D>, options?: CommitOptions): Promise<Committed>
  apply(ops: readonly Op[], options?: CommitOptions): Promise<Committed>
  /** `recipe` edits a draft. It runs again whenever the document below it is another, so it must have no other effect. */
  update(recipe: (draft: D) => void, options?: CommitOptions): Promise<Committed>
  ready(): Promise<D>
  until(predicate: (document: D) => unknown, options?: { signal?: AbortSignal; timeoutMs?: number }): Promise<D>
  logout(options?: { everywhere?: boolean }): Promise<void>
  close(): void
  on<E extends keyof SessionEvents>(event: E, fn: (fact: SessionEvents[E]) => void, options?: { signal?: AbortSignal }): () => void
  inspect(): Inspection
}

/** Its functions are called without a `this`. */
export interface Clock {
  now(): number
  setTimeout(fn: () => void, ms: number): unknown
  clearTimeout(timer: unknown): void
}

/** The part of a WebSocket that is used. */
export interface Socket {
  onmessage: ((event: any) => void) | null
  onclose: ((event: any) => void) | null
  send(text: string): void
  close(): void
}

export interface ConnectOptions<D extends object> {
  /** The hub's base URL, http or https. Default: this page's origin. */
  url?: string
  /** The app this page belongs to: narrows what is seen to what the app may see. */
  app?: string
  presence?: boolean
  /** The session token, outside browsers. Asked before every attempt. */
  token?: () => string | Promise<string>
  /** A one-time ticket, for pages of another origin. Asked before every attempt. */
  ticket?: () => string | Promise<string>
  /** A document rendered into the page, to be shown at once and resumed from. */
  initial?: { document: D; position: string; view: string }
  /** Show commits before the hub has answered. Default true. */
  optimistic?: boolean
  retry?: { minMs?: number; maxMs?: number }
  /** Closes the connection when aborted. */
  signal?: AbortSignal
  WebSocket?: new (url: string, protocols: string[]) => Socket
  fetch?: typeof globalThis.fetch
  clock?: Clock
  random?: () => number
}

export function connectSession<D extends object = { [section: string]: Json }>(options?: ConnectOptions<D>): Session<D>
