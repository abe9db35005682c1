import type { ServiceRegisteredEvent } from "../../types/contracts/Registry.ts";

import type { ChainEvent } from "./events.ts";
import { Ledger } from "./ledger.ts";
import type { ServiceTerms } from "./service-terms.ts";
import { ServiceView } from "./service-view.ts";

/** ARIA as a party sees it: its terms and everything its events tell. */
export interface Service {
  readonly address: string;
  readonly version: number;
  readonly terms: ServiceTerms;
  readonly view: ServiceView;
}

/** Who emits the events that count. */
export interface Venues {
  readonly registry: string;
  readonly vault: string;
}

/** All that the events up to a block tell: the Vault's ledger, and a view of each ARIA. */
export class Books {
  readonly ledger: Ledger;
  readonly services: Map<string, Service>;
  current: Service | undefined;
  readonly #venues: Venues;

  constructor(venues: Venues, ledger = new Ledger(), services = new Map<string, Service>()) {
    this.#venues = venues;
    this.ledger = ledger;
    this.services = services;
  }

  /** Makes room for a service, before its events come. */
  prepare({ address, version, terms }: Omit<Service, "view">): void {
    if (this.services.has(address)) return;
    this.services.set(address, { address, version, terms, view: new ServiceView(terms.rules) });
  }

  apply(event: ChainEvent): void {
    if (event.contract === this.#venues.vault) {
      this.ledger.apply(event);
    } else if (event.contract === this.#venues.registry) {
      if (event.name !== "ServiceRegistered") return;
      const { service } = event.args as ServiceRegisteredEvent.OutputObject;
      this.current = this.services.get(service) ?? this.current;
    } else {
      this.services.get(event.contract)?.view.apply(event);
    }
  }

  /** The same books once more: what is written in the one does not show in the other. */
  copy(): Books {
    const services = [...this.services].map(
      ([address, service]) => [address, { ...service, view: service.view.copy() }] as const,
    );
    const copied = new Books(this.#venues, this.ledger.copy(), new Map(services));
    copied.current = this.current && copied.services.get(this.current.address);
    return copied;
  }
}
