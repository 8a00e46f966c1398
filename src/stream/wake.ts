/**
 * Says "this run has grown", or "this group has a new run", to whoever waits for it. In-process today; a second node would ring it
 * through the store. A run goes by its number, a group by its id.
 */
export class Wake {
  readonly #watchers = new Map<number | string, Set<() => void>>()

  /**
   * From now on `hear` is called at every ring for `what`, within the ring: it must be short, and throw nothing.
   *
   * @returns what ends that
   */
  watch(what: number | string, hear: () => void): () => void {
    const watchers = this.#watchers.get(what) ?? new Set()
    this.#watchers.set(what, watchers)
    // Of its own, or one who listens twice would be heard once.
    const watcher = () => hear()
    watchers.add(watcher)
    return () => {
      watchers.delete(watcher)
      if (watchers.size === 0 && this.#watchers.get(what) === watchers) this.#watchers.delete(what)
    }
  }

  ring(what: number | string): void {
    const watchers = this.#watchers.get(what)
    if (watchers) for (const hear of watchers) hear()
  }
}
