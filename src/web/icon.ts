/** Two sails. */
export const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#0b5563"/><path d="M15 5v17H5.5C6.5 15 10 9 15 5Z" fill="#fff"/><path d="M17.5 9v13h8C24.500 17 21.500 12 17.5 9Z" fill="#9fdbe4"/><path d="M4 24.500h24c-1 2-2.500 3-4.500 3h-15c-2 0-3.500-1-4.500-3Z" fill="#fff"/></svg>
`
