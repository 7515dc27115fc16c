/** Steer: universal guidance, a picture pulled towards what any differentiable network measures. */

export const steer = {
  name: "steer",
  title: "Steer",
  verb: "Steer",
  works: false,
  about: [
    "Steer will pull a picture towards something you show it while it is drawn: a face, an outline, boxes with objects in them, a style, the known part of a torn photo. Universal Guidance asks another network how far off the picture is and follows its gradient, with nothing trained.",
    "This page cannot do that yet. Create works.",
  ],
  fields: [],
  controls: () => [],
  plan: (job) => [{ job }],
  restore: () => false,
};
