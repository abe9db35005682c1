/** Splits what outgrows a transaction into pages that each fit one. */
export function paged<T>(items: readonly T[], itemsPerPage: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / itemsPerPage) }, (_, i) =>
    items.slice(i * itemsPerPage, (i + 1) * itemsPerPage),
  );
}
