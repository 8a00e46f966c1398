/** Consecutive frames as one text; `last` is the number of its last one, `final` says that nothing comes after it. */
export interface Page {
  text: string
  last: number
  final: boolean
}

/** Takes a page; a promise holds the next one back until it resolves. */
export type Show<P extends Page = Page> = (page: P) => Promise<void> | undefined
