// The connected accounts, read once for each key and only when they are wanted.
import { signal } from "@preact/signals";
import { call } from "./api";
import { key } from "./session";
import type { AccountList } from "./types";

export const accounts = signal<AccountList | null>(null);
export const accountsError = signal("");
let asked: string | null = null;

/** List the accounts; without the right to, posts keep the numbers of their accounts. */
export async function loadAccounts(): Promise<void> {
  if (asked === key.value) return;
  if (asked !== null) accounts.value = null;
  const mine = (asked = key.value);
  try {
    const list = await call<AccountList>("/accounts");
    if (asked === mine) accounts.value = list;
    accountsError.value = "";
  } catch (error) {
    accountsError.value = (error as Error).message;
    asked = null;
  }
}

/** Keep nothing of one key for another. */
export function forgetAccounts(): void {
  accounts.value = asked = null;
}

export const findAccount = (platform: string, id: string) =>
  accounts.value?.data.find((account) => account.platform === platform && account.id === id);

export const nameAccount = (platform: string, id: string): string => findAccount(platform, id)?.name ?? `account ${id}`;
