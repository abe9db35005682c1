import type { HookContext } from "hardhat/types/hooks";
import type { HardhatPlugin } from "hardhat/types/plugins";
import type { CompilerOutputError } from "hardhat/types/solidity";

/** What solc says of an error beyond what Hardhat's type has of it. */
type Located = CompilerOutputError & { readonly sourceLocation?: { readonly file: string } };

/** Codes of solc's warnings that code or creation code is too large to be deployed on a public chain. */
const TOO_LARGE = ["5574", "3860"];

/**
 * A Hardhat plugin that makes each compiler warning an error, before the output is kept: Hardhat itself prints
 * warnings, once, and says nothing of them when it finds the file in its cache. Solidity tests may be of any size, and
 * so may all code when it is instrumented for coverage.
 */
export const warningsAsErrors: HardhatPlugin = {
  id: "warnings-as-errors",
  hookHandlers: {
    solidity: () =>
      Promise.resolve({
        default: () =>
          Promise.resolve({
            // Deprecated for getCompilationJobErrors, which changes only what is printed.
            async invokeSolc(context, compiler, input, config, next) {
              const output = await next(context, compiler, input, config);
              if (output.errors === undefined) return output;
              return { ...output, errors: output.errors.map((error) => strict(context, error)) };
            },
          }),
      }),
  },
};

function strict(context: HookContext, error: Located): CompilerOutputError {
  const anySize =
    context.globalOptions.coverage || error.sourceLocation?.file.startsWith("project/test/") === true;
  const accepted = error.severity !== "warning" || (TOO_LARGE.includes(error.errorCode ?? "") && anySize);
  return accepted ? error : { ...error, type: "WarningAsError", severity: "error" };
}
