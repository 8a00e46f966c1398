import type { ComponentChildren } from 'preact'

const icon = (paths: ComponentChildren) => () => (
  <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
    {paths}
  </svg>
)

export const Plus = icon(<path d="M8 3v10M3 8h10" />)
export const Close = icon(<path d="M4 4l8 8M12 4l-8 8" />)
export const Pencil = icon(<path d="M3 13l.6-2.6L10.8 3.2 12.8 5.2 5.6 12.4z" />)
export const Bin = icon(<path d="M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.6 8.5h5.8l.6-8.5" />)
export const Eraser = icon(<path d="M6.5 13h7M3 9.5l5.5-6 4.5 4.1L8 13H5.7z" />)
export const Menu = icon(<path d="M2.5 4.5h11M2.5 8h11M2.5 11.5h11" />)
export const Chart = icon(<path d="M2.5 4h6M5 8h7M3.5 12h4" />)
export const Up = icon(<path d="M8 13V3.5M4 7l4-4 4 4" />)
export const Down = icon(<path d="M8 3v9.5M4 9l4 4 4-4" />)
export const Stop = icon(<rect x="4" y="4" width="8" height="8" rx="1.5" class="solid" />)
export const Sun = icon(
  <>
    <circle cx="8" cy="8" r="2.8" />
    <path d="M8 1.5v1.5M8 13v1.5M1.5 8H3M13 8h1.5M3.4 3.4l1 1M11.6 11.6l1 1M3.4 12.6l1-1M11.6 4.4l1-1" />
  </>,
)
export const Moon = icon(<path d="M13 9.6A5.5 5.5 0 016.4 3 5.5 5.5 0 1013 9.6z" />)
export const Half = icon(
  <>
    <circle cx="8" cy="8" r="5.5" />
    <path d="M8 2.5v11A5.5 5.5 0 008 2.5z" class="solid" />
  </>,
)
