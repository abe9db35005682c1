import js from "@eslint/js";
import { defineConfig, globalIgnores } from "eslint/config";
import tseslint from "typescript-eslint";

export default defineConfig(
  globalIgnores(["artifacts/", "cache/", "types/", "coverage/", "data/", "ignition/deployments/"]),
  js.configs.recommended,
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }], // bigint included
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: true },
      ],
      "@typescript-eslint/consistent-type-imports": "error",
      // Types that leave nothing behind when erased. (Not tsconfig's erasableSyntaxOnly: TypeChain's output fails it.)
      "no-restricted-syntax": ["error", "TSEnumDeclaration", "TSParameterProperty"],
      // process.env.NAME and the like: tsconfig's noPropertyAccessFromIndexSignature asks for the brackets.
      "@typescript-eslint/dot-notation": ["error", { allowIndexSignaturePropertyAccess: true }],
    },
  },
  {
    files: ["**/*.{js,mjs}"],
    languageOptions: { globals: { process: false, setInterval: false, clearInterval: false } },
  },
  {
    rules: { eqeqeq: "error", "no-console": "error", "prefer-const": "error", "no-param-reassign": "error" },
  },
  {
    // The programs and the deep tests speak to people; everything they call returns what it has to say.
    files: ["scripts/**", "agents/pof/main.ts", "deep/**"],
    rules: { "no-console": "off" },
  },
  {
    files: ["test/**/*.ts", "deep/**/*.ts"],
    rules: {
      // chai's `expect(x).to.be.true`.
      "no-unused-expressions": "off",
      "@typescript-eslint/no-unused-expressions": "off",
      "@typescript-eslint/no-non-null-assertion": "off",
    },
  },
);
