// The colours of the priorities, most severe first, chosen so that neighbours differ also for eyes
// that see fewer colours; a test recomputes that. A letter and the name always stand beside them.

export const LIGHT = ["#3d0454", "#d123aa", "#d3284e", "#522504", "#c48703", "#0d997b", "#053fd5", "#262d37"] as const;
export const DARK = ["#860ef8", "#f689e6", "#d7354f", "#de8131", "#fbf0b0", "#aff8e9", "#3380f9", "#8f98a3"] as const;
export const LIGHT_PAGE = "#ffffff";
export const DARK_PAGE = "#0f1318";
