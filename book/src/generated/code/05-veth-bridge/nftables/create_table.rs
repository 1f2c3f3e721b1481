/// Creates a table with these chains and rules. All messages are one batch, which the kernel applies
/// as a whole: a packet meets all of the rules or none. `call` names the batch in the trace.
///
/// The table belongs to `owner` (Linux 5.12): only this socket can change the table, and the kernel
/// removes the table when the socket is closed.
pub fn create_table(owner: &mut Socket, call: &str, name: &str, content: Vec<Message>) -> Result<()> {
    let table = message(libc::NFT_MSG_NEWTABLE, name).attr(TABLE_FLAGS, TABLE_OWNER.to_be_bytes());
    let mut batch = vec![begin_or_end(libc::NFNL_MSG_BATCH_BEGIN), table];
    batch.extend(content);
    batch.push(begin_or_end(libc::NFNL_MSG_BATCH_END));
    owner.call(call, batch).map(drop)
}
