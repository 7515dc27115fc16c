/** Sharpen: self-attention guidance, the same seed with and without. */

export const sharpen = {
  name: "sharpen",
  title: "Sharpen",
  verb: "Generate",
  works: false,
  about: [
    "Sharpen will draw one seed twice, without and with Self-Attention Guidance, and put the two pictures under one slider. The guidance finds what the model looks at most, blurs it, and steers away from the blurred guess: finer detail from the same model, with nothing trained.",
    "This page cannot do that yet. Create works.",
  ],
  fields: [],
  controls: () => [],
  amend: (job) => job,
  restore: () => false,
};
