/** Restyle: plug-and-play features, a picture redrawn to other words with its layout kept. */

export const restyle = {
  name: "restyle",
  title: "Restyle",
  verb: "Restyle",
  works: false,
  about: [
    "Restyle will take a photo or a picture from your history and draw it anew to other words: a horse becomes a bronze horse, standing as it stood. Plug-and-Play carries the layout over from inside the model, with nothing trained.",
    "This page cannot do that yet; on the command line, guidestar pnp does.",
  ],
  fields: [],
  controls: () => [],
  plan: (job) => [{ job }],
  restore: () => false,
};
