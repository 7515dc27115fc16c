/** Create: a picture from words. */

export const create = {
  name: "create",
  title: "Create",
  verb: "Generate",
  works: true,
  about: [],
  fields: [],
  controls: () => [],
  plan: (job) => [{ job }],
  restore: () => true,
};
