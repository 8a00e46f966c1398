/** `trouble` is what somebody must mend; `mended` was changed just now; `note` is worth knowing. */
export interface Finding {
  level: 'fine' | 'note' | 'mended' | 'trouble'
  text: string
}
