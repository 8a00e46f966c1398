/** Consecutive frames as one text; `last` is the number of its last one, `final` says that nothing comes after it. */
export interface Page {
  text: string
  last: number
  final: boolean
}
