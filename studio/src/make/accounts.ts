// The connected accounts, read once they are wanted.
import { signal } from "@preact/signals";
import { call } from "../api";
import type { AccountList } from "../types";

export const accounts = signal<AccountList | null>(null);
export const accountsError = signal("");
let isAsked = false;

export async function loadAccounts(): Promise<void> {
  if (isAsked) return;
  isAsked = true;
  try {
    accounts.value = await call<AccountList>("/accounts");
    accountsError.value = "";
  } catch (error) {
    accountsError.value = (error as Error).message;
    isAsked = false;
  }
}

export const findAccount = (platform: string, id: string) =>
  accounts.value?.data.find((account) => account.platform === platform && account.id === id);

export const nameAccount = (platform: string, id: string): string => findAccount(platform, id)?.name ?? `account ${id}`;
