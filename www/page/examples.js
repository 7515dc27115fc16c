/** Prompts to begin with, each with a seed that suits it. */

/** What the model that comes with the page knows. */
export const MINI = [
  { prompt: "a red apple on a blue background", seed: 3 },
  { prompt: "a penguin on a blue background", seed: 0 },
  { prompt: "a castle on pink", seed: 0 },
  { prompt: "a sunflower on a purple background", seed: 0 },
  { prompt: "a soccer ball on green", seed: 1 },
];

/** For any other Stable Diffusion. */
export const ANY = [
  { prompt: "a lighthouse at dusk, oil on canvas" },
  { prompt: "macro photograph of a dew drop on moss, morning light" },
  { prompt: "an astronaut resting under a tree, woodcut" },
];
