export { reflectionRoutes, type ReflectionOptions } from "./reflection.ts";
