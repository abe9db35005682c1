import { expect } from "chai";
import { ZeroAddress } from "ethers";

import { Registry__factory, Vault__factory } from "../../types/index.js";
import {
  deploy,
  ethers,
  EXIT_WINDOW_SECONDS,
  loadFixture,
  noDers,
  refused,
  type System,
  time,
  UNIT,
  withNewAria,
} from "./fixture.ts";

/** A second ARIA takes the Vault over, and is registered. */
async function withSecondVersion(): Promise<{ first: System; second: System }> {
  const first = await deploy();
  const second = await withNewAria(first);
  await first.vault.announceHandOver(second.aria);
  await time.increase(EXIT_WINDOW_SECONDS);
  await first.vault.handOver();
  return { first, second };
}

describe("Registry", function () {
  describe("handing out the current service", function () {
    it("refuses before the first is registered", async function () {
      const { owner } = await loadFixture(noDers);
      const registry = await new Registry__factory(owner).deploy(owner);
      await refused(registry.current(), registry, "NoService");
      expect(await registry.latestVersion()).to.equal(0n);
    });

    it("names the one registered last, and the one before in its event", async function () {
      const { first, second } = await loadFixture(withSecondVersion);
      const { registry } = first;
      expect(await registry.current()).to.equal(await first.aria.getAddress());

      await expect(registry.register(second.aria))
        .to.emit(registry, "ServiceRegistered")
        .withArgs(2n, second.aria, first.aria);
      expect(await registry.current()).to.equal(await second.aria.getAddress());
      expect(await registry.latestVersion()).to.equal(2n);
    });
  });

  describe("registering a service", function () {
    it("names no previous one for the first", async function () {
      const { owner, aria } = await loadFixture(noDers);
      const registry = await new Registry__factory(owner).deploy(owner);
      expect(await registry.register.staticCall(aria)).to.equal(1n);
      await expect(registry.register(aria))
        .to.emit(registry, "ServiceRegistered")
        .withArgs(1n, aria, ZeroAddress);
    });

    it("refuses one that its Vault does not obey yet", async function () {
      const system = await loadFixture(noDers);
      const next = await withNewAria(system);
      await system.vault.announceHandOver(next.aria);
      await refused(
        system.registry.register(next.aria),
        system.registry,
        "NotInCharge",
        await system.aria.getAddress(),
        await next.aria.getAddress(),
      );
    });

    it("refuses one that its Vault obeyed once", async function () {
      const { first, second } = await loadFixture(withSecondVersion);
      await refused(
        first.registry.register(first.aria),
        first.registry,
        "NotInCharge",
        await second.aria.getAddress(),
        await first.aria.getAddress(),
      );
    });

    it("refuses one whose Vault has no service at all", async function () {
      const system = await loadFixture(noDers);
      const vault = await new Vault__factory(system.owner).deploy(system.owner, ZeroAddress, UNIT, 0n);
      const { aria } = await withNewAria({ ...system, vault });
      await refused(
        system.registry.register(aria),
        system.registry,
        "NotInCharge",
        ZeroAddress,
        await aria.getAddress(),
      );
    });

    it("refuses what is no service", async function () {
      const { registry, stranger } = await loadFixture(noDers);
      await expect(registry.register(stranger)).to.be.revertedWithoutReason(ethers);
      await expect(registry.register(registry)).to.be.revertedWithoutReason(ethers);
    });

    it("is the owner's alone", async function () {
      const { registry, stranger, aria } = await loadFixture(noDers);
      const call = registry.connect(stranger).register(aria);
      await refused(call, registry, "OwnableUnauthorizedAccount", stranger.address);
    });
  });

  describe("its owner", function () {
    it("is somebody from the start", async function () {
      const { owner, registry } = await loadFixture(noDers);
      const deployment = new Registry__factory(owner).deploy(ZeroAddress);
      await refused(deployment, registry, "OwnableInvalidOwner", ZeroAddress);
    });

    it("changes only when the next one accepts", async function () {
      const { registry, owner, stranger } = await loadFixture(noDers);
      await registry.transferOwnership(stranger);
      expect(await registry.owner()).to.equal(owner.address);
      await registry.connect(stranger).acceptOwnership();
      expect(await registry.owner()).to.equal(stranger.address);
    });
  });
});
