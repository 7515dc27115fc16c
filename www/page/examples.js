/** Prompts to begin with, each with a seed that suits it. */

/** What the model that comes with the page knows. */
export const MINI = [
  { prompt: "a red apple on a blue background", seed: 3 },
  { prompt: "a fox in the snow", seed: 2 },
  { prompt: "a rocket in space", seed: 1 },
  { prompt: "a castle in front of mountains", seed: 2 },
  { prompt: "a mushroom in a forest", seed: 0 },
];

/** For any other Stable Diffusion. */
export const ANY = [
  { prompt: "a lighthouse at dusk, oil on canvas" },
  { prompt: "macro photograph of a dew drop on moss, morning light" },
  { prompt: "an astronaut resting under a tree, woodcut" },
];
